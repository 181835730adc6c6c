//! The one way to call a function of a suite.

/// Calls one function of a suite; a missing function is an error, not a crash.
macro_rules! call {
    ($suite:expr, $function:ident ( $($argument:expr),* $(,)? )) => {
        match $suite.$function {
            // SAFETY: the table came from the running host's fetchSuite under the name and version
            // that this declaration belongs to, and the pointer is not null. Handles among the
            // arguments are those that the host passed to the current action.
            Some(function) => Ok(unsafe { function($($argument),*) }),
            None => Err($crate::ofx::Error::HostLacks(stringify!($function))),
        }
    };
}
pub(super) use call;
