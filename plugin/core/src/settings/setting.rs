//! What describes a setting: its names, its kind with range and default, and what it decides.

use std::ffi::CStr;
use std::fmt::Debug;

use super::EngineKind;
use crate::Error;

/// Something that an artist can set, described once for every place where it appears.
#[derive(Debug)]
pub struct Setting<K: 'static> {
    /// The permanent id, which saved projects and scripts store.
    pub id: &'static CStr,
    /// The label that the artist reads.
    pub label: &'static CStr,
    /// What it does, as a sentence.
    pub hint: &'static CStr,
    /// The only engine that uses it; `None` if all engines do.
    pub engine: Option<EngineKind>,
    /// What it decides.
    pub decides: Decides,
    /// Its kind, with the default.
    pub kind: K,
}

/// What a setting decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// How a drawing looks: its value is part of the drawing's cache key.
    Look,
    /// Which keys, sketches and position a drawing has. These are in the cache key, so the value
    /// itself is not.
    Moment,
    /// Where and how the work is done. It does not change any picture.
    Work,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The default value.
    pub default: f64,
    /// Lowest and highest value.
    pub range: (f64, f64),
    /// The part of the range that a slider shows.
    pub display: (f64, f64),
    /// How much one step of a control changes it.
    pub step: f64,
    /// Number of digits shown after the point.
    pub digits: u8,
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// The default value.
    pub default: i32,
    /// Lowest and highest value.
    pub range: (i32, i32),
    /// The part of the range that a slider shows.
    pub display: (i32, i32),
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The default value.
    pub default: bool,
}

/// One option from a list. Saved projects store an option's index, so new options are added at the
/// end.
#[derive(Debug)]
pub struct Choice<T: 'static> {
    /// The options in the order in which they are shown.
    pub options: &'static [ChoiceOption<T>],
    /// The default value.
    pub default: T,
}

/// An option of a [`Choice`], with its value.
#[derive(Debug)]
pub struct ChoiceOption<T> {
    /// Its value.
    pub value: T,
    /// The label that the artist reads.
    pub label: &'static CStr,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, as a phrase.
    pub about: &'static str,
}

/// One row of a [`Choice`].
pub(super) const fn option<T>(
    value: T,
    label: &'static CStr,
    name: &'static str,
    about: &'static str,
) -> ChoiceOption<T> {
    ChoiceOption { value, label, name, about }
}

/// A line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// The default value.
    pub default: &'static CStr,
    /// Most bytes that the text may have.
    pub longest: usize,
}

/// An existing file; empty for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File;

/// A place in the picture, as a share of its width and height from the lower left corner, which is
/// how hosts count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The default value.
    pub default: [f64; 2],
}

/// A [`Setting`] of any kind.
pub trait AnySetting: Sync {
    /// [`Setting::id`].
    fn id(&self) -> &'static CStr;
    /// [`Setting::label`].
    fn label(&self) -> &'static CStr;
    /// [`Setting::hint`].
    fn hint(&self) -> &'static CStr;
    /// [`Setting::engine`].
    fn engine(&self) -> Option<EngineKind>;
    /// [`Setting::decides`].
    fn decides(&self) -> Decides;
    /// [`Setting::kind`].
    fn kind(&self) -> AnyKind<'_>;
}

/// The kind of a setting.
pub enum AnyKind<'a> {
    /// [`Number`].
    Number(&'a Number),
    /// [`Integer`].
    Integer(&'a Integer),
    /// [`Switch`].
    Switch(&'a Switch),
    /// A [`Choice`] with values of any type.
    Choice(&'a dyn AnyChoice),
    /// [`Text`].
    Text(&'a Text),
    /// [`File`].
    File,
    /// [`Point`].
    Point(&'a Point),
}

/// A [`Choice`] with values of any type.
pub trait AnyChoice {
    /// Labels in the order of the options.
    fn labels(&self) -> Vec<&'static CStr>;
    /// Names on the command line, in the order of the options.
    fn names(&self) -> Vec<&'static str>;
    /// The values in the order of the options, in Rust's debug format.
    fn values(&self) -> Vec<String>;
    /// Index of the default among the options.
    fn default_index(&self) -> usize;
}

/// Every kind of setting.
pub trait Kind: Sync + 'static {
    /// This kind as an [`AnyKind`].
    fn any(&self) -> AnyKind<'_>;
}

impl Kind for Number {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Number(self)
    }
}

impl Kind for Integer {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Integer(self)
    }
}

impl Kind for Switch {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Switch(self)
    }
}

impl Kind for Text {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Text(self)
    }
}

impl Kind for File {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::File
    }
}

impl Kind for Point {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Point(self)
    }
}

impl<T: Debug + PartialEq + Sync + 'static> Kind for Choice<T> {
    fn any(&self) -> AnyKind<'_> {
        AnyKind::Choice(self)
    }
}

impl<T: Debug + PartialEq + 'static> AnyChoice for Choice<T> {
    fn labels(&self) -> Vec<&'static CStr> {
        self.options.iter().map(|option| option.label).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        self.options.iter().map(|option| option.name).collect()
    }

    fn values(&self) -> Vec<String> {
        self.options.iter().map(|option| format!("{:?}", option.value)).collect()
    }

    fn default_index(&self) -> usize {
        self.index_of(&self.default)
    }
}

impl<T: PartialEq + 'static> Choice<T> {
    /// Index of the option with this value.
    ///
    /// # Panics
    /// When no option has it. A test of the list checks that each default is an option.
    pub fn index_of(&self, value: &T) -> usize {
        let found = self.options.iter().position(|option| option.value == *value);
        found.expect("the value is one of the options")
    }
}

impl<K: Kind> AnySetting for Setting<K> {
    fn id(&self) -> &'static CStr {
        self.id
    }

    fn label(&self) -> &'static CStr {
        self.label
    }

    fn hint(&self) -> &'static CStr {
        self.hint
    }

    fn engine(&self) -> Option<EngineKind> {
        self.engine
    }

    fn decides(&self) -> Decides {
        self.decides
    }

    fn kind(&self) -> AnyKind<'_> {
        self.kind.any()
    }
}

impl<K: 'static> Setting<K> {
    /// The label as a string.
    pub fn name(&self) -> &'static str {
        self.label.to_str().unwrap_or_default()
    }

    fn check_range(&self, value: f64, (lowest, highest): (f64, f64)) -> Result<(), Error> {
        if (lowest..=highest).contains(&value) {
            return Ok(());
        }
        Err(Error::Range { name: self.name(), value, lowest, highest })
    }
}

impl Setting<Number> {
    /// Checks that `value` lies in the range.
    ///
    /// # Errors
    /// [`Error::Range`] when it does not.
    pub fn check(&self, value: f64) -> Result<(), Error> {
        self.check_range(value, self.kind.range)
    }
}

impl Setting<Integer> {
    /// Checks that `value` lies in the range.
    ///
    /// # Errors
    /// [`Error::Range`] when it does not.
    pub fn check(&self, value: u64) -> Result<(), Error> {
        let (lowest, highest) = self.kind.range;
        self.check_range(value as f64, (f64::from(lowest), f64::from(highest)))
    }
}

impl Setting<Text> {
    /// Checks that `value` is not too long.
    ///
    /// # Errors
    /// [`Error::Setting`] when it is.
    pub fn check(&self, value: &str) -> Result<(), Error> {
        let longest = self.kind.longest;
        if value.len() <= longest {
            return Ok(());
        }
        Err(Error::Setting {
            name: self.name(),
            value: format!("longer than {longest} bytes"),
            allowed: "shorten it",
        })
    }
}
