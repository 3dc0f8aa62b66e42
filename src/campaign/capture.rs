//! The campaign's `[capture]` as the calls know it: which variables are watched, and in which order.

use crate::call::capture::{Captured, Condition, Watched};
use crate::config::{self, Capture};

/// What is watched for: first what becomes columns of the results, in their order, then what only decides something.
pub fn watched(capture: &Capture) -> Watched {
    let mut names: Vec<Box<str>> = capture
        .variables
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    let mut place = |name: &str| {
        let known = names.iter().position(|known| **known == *name);
        known.unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        })
    };
    let mut condition = |condition: &config::Condition| Condition {
        variable: place(&condition.variable),
        value: condition.value.as_bytes().into(),
    };
    let opt_out = capture.opt_out.as_ref().map(|out| condition(&out.when));
    let machine = capture.machine.as_ref().map(condition);
    let disposition = capture.disposition.as_deref().map(place);
    Watched {
        names,
        opt_out,
        machine,
        disposition,
    }
}

/// What stands in the columns of the results.
pub(super) fn columns<'a>(
    capture: &Capture,
    captured: &'a Captured,
) -> impl Iterator<Item = String> + use<'a> {
    (0..capture.variables.len()).map(|place| captured.text(place).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OptOut;

    #[test]
    fn a_variable_is_watched_once_whatever_it_is_for() {
        let condition = |variable: &str| config::Condition {
            variable: variable.to_owned(),
            value: "9".to_owned(),
        };
        let watched = watched(&Capture {
            variables: vec!["CHOICE".to_owned(), "AMDSTATUS".to_owned()],
            machine: Some(condition("AMDSTATUS")),
            disposition: Some("OUTCOME".to_owned()),
            opt_out: Some(OptOut {
                when: condition("STOP"),
                file: "dnc.txt".into(),
            }),
        });
        let names: Vec<_> = watched.names.iter().map(|name| &**name).collect();
        assert_eq!(names, ["CHOICE", "AMDSTATUS", "STOP", "OUTCOME"]);
        assert_eq!(watched.machine.unwrap().variable, 1);
        assert_eq!(watched.opt_out.unwrap().variable, 2);
        assert_eq!(watched.disposition, Some(3));
    }
}
