//! Sets of parameters: those that a descriptor defines, and those of an instance.

use std::{ffi::CStr, sync::Arc};

use parking_lot::RwLock;

use super::{Param, ParamType, default_of, describe, in_project};
use crate::{
    host::journal::Journal, host::props::PropertySet, host::registry::Handle, host::sys::*,
};

/// Parameters of a descriptor or of an instance.
pub struct ParamSet {
    handle: Handle,
    /// Properties of the set itself.
    pub props: Arc<PropertySet>,
    params: RwLock<Vec<Arc<Param>>>,
    /// Parameters may be defined.
    pub(crate) open: bool,
    /// Names that the host leaves out.
    missing: &'static [&'static CStr],
}

impl ParamSet {
    fn with(
        props: Arc<PropertySet>,
        params: Vec<Arc<Param>>,
        open: bool,
        missing: &'static [&'static CStr],
    ) -> Arc<Self> {
        let set =
            Self { handle: Handle::reserve(), props, params: RwLock::new(params), open, missing };
        let set = Arc::new(set);
        set.handle.publish(&set);
        set
    }

    /// An empty set for a descriptor.
    pub(crate) fn describing(
        journal: &Arc<Journal>,
        missing: &'static [&'static CStr],
    ) -> Arc<Self> {
        let props = PropertySet::of("the parameter set", journal)
            .list::<&str>(kOfxPluginPropParamPageOrder, &[])
            .ints(kOfxPropParamSetNeedsSyncing, &[0])
            .missing(missing)
            .build();
        Self::with(props, Vec::new(), true, missing)
    }

    /// The set of an instance in a project of that size, with every parameter at its default.
    pub(crate) fn instantiate(&self, size: (usize, usize)) -> Arc<Self> {
        let params = self.all().into_iter().map(|param| {
            let props = param.props.copy(format!("parameter {}", param.name));
            let props =
                props.text(kOfxPropType, ascii(kOfxTypeParameterInstance)).missing(self.missing);
            let props = props.lock(&[kOfxParamPropType, kOfxPropName]).build();
            let default = in_project(&props, default_of(param.kind, &props), size);
            let param = Param::new(param.name.clone(), param.kind, props);
            param.state.lock().value = default;
            param
        });
        let props = self.props.copy("the parameter set").build();
        Self::with(props, params.collect(), false, self.missing)
    }

    pub(crate) fn raw(&self) -> OfxParamSetHandle {
        self.handle.raw()
    }

    /// All parameters in the order of their definition.
    pub fn all(&self) -> Vec<Arc<Param>> {
        self.params.read().clone()
    }

    /// The parameter of that id.
    pub fn find(&self, name: &str) -> Option<Arc<Param>> {
        self.params.read().iter().find(|param| param.name == name).cloned()
    }

    /// Adds a parameter for the plug-in; `None` if the name is taken.
    pub(crate) fn define(&self, kind: ParamType, name: &str) -> Option<Arc<Param>> {
        let mut params = self.params.write();
        if params.iter().any(|param| param.name == name) {
            return None;
        }
        let props =
            describe::describe(kind, name, self.props.journal()).missing(self.missing).build();
        let param = Param::new(name.to_owned(), kind, props);
        params.push(Arc::clone(&param));
        Some(param)
    }
}
