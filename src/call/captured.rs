//! What the callee did, as the dialplan tells it: channel variables that it sets on any channel of the call.
//!
//! Of each variable the last value counts that is not empty, since a dialplan may clear what it no longer needs, and
//! since a call may be over before it sets anything again. Somebody who opted out stays out, whatever comes after.
//! Which events there are, and which call they belong to, is the correlator's; what the values make of an outcome is
//! [`verdict`](super::verdict)'s.

use std::borrow::Cow;

use crate::config;

/// `Status` gives no more than this of a value, in bytes.
const STATUS_CUT: usize = 511;

/// The variables that a campaign captures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedVars {
    /// Their names, without underscores of inheritance: first those that become columns of the results, in their order,
    /// then those that only decide something. The other fields hold indices into this list.
    pub names: Vec<Box<str>>,
    pub opt_out: Option<VarCondition>,
    /// Holds for an answered call that was picked up by a machine.
    pub machine: Option<VarCondition>,
    /// The variable that names the disposition of an answered call.
    pub disposition: Option<usize>,
}

/// That a variable has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarCondition {
    /// The variable's index among the names.
    pub variable: usize,
    /// Compared without the spaces around it.
    pub value: Box<[u8]>,
}

/// What was captured of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedValues {
    /// By the variables' indices; empty when nothing was captured.
    values: Vec<Box<[u8]>>,
    /// The condition of [`CapturedVars::opt_out`] held at some time.
    pub opted_out: bool,
}

impl CapturedVars {
    /// The variables of a campaign's `[capture]`, each once whatever it is for.
    pub fn of(capture: &config::Capture) -> Self {
        let mut names: Vec<Box<str>> = capture
            .variables
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        let mut index = |name: &str| {
            let known = names.iter().position(|known| **known == *name);
            known.unwrap_or_else(|| {
                names.push(name.into());
                names.len() - 1
            })
        };
        let mut condition = |condition: &config::CaptureCondition| VarCondition {
            variable: index(&condition.variable),
            value: condition.value.as_bytes().into(),
        };
        let opt_out = capture.opt_out.as_ref().map(|out| condition(&out.when));
        let machine = capture.machine.as_ref().map(condition);
        let disposition = capture.disposition.as_deref().map(index);
        Self {
            names,
            opt_out,
            machine,
            disposition,
        }
    }

    /// The index of a variable by the name that a `VarSet` gives, which has underscores where it is inherited.
    pub(super) fn index(&self, name: &[u8]) -> Option<usize> {
        if self.names.is_empty() {
            return None;
        }
        let own = without_underscores(name);
        // A name may begin with underscores itself.
        let is = |wanted: &str| without_underscores(wanted.as_bytes()) == own;
        self.names.iter().position(|wanted| is(wanted))
    }
}

/// Asterisk takes the underscores off a variable's name when it is read.
fn without_underscores(name: &[u8]) -> &[u8] {
    let start = name.iter().take(2).take_while(|&&byte| byte == b'_');
    &name[start.count()..]
}

impl VarCondition {
    pub fn holds(&self, value: &[u8]) -> bool {
        // A variable that was never set meets no condition, whatever it is.
        let value = value.trim_ascii();
        !value.is_empty() && value == self.value.trim_ascii()
    }
}

impl CapturedValues {
    /// The last value of a variable that is not empty, as Asterisk holds it; empty if there is none.
    pub fn value(&self, variable: usize) -> &[u8] {
        self.values.get(variable).map_or(b"", |value| value)
    }

    /// The value as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, variable: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.value(variable))
    }

    /// The values of the first variables, which are the columns of the results.
    pub fn columns(&self, count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|index| self.text(index).into_owned())
    }
}

/// Follows the variables of one call. Without any, it holds nothing.
#[derive(Debug, Default)]
pub(super) struct VarTracker {
    pub(super) captured: CapturedValues,
    known: Vec<KnownValue>,
}

/// The value that a channel is known to have.
#[derive(Debug)]
struct KnownValue {
    uniqueid: Box<[u8]>,
    variable: usize,
    value: Box<[u8]>,
}

impl VarTracker {
    /// A variable was set on a channel.
    pub(super) fn set(
        &mut self,
        vars: &CapturedVars,
        uniqueid: &[u8],
        variable: usize,
        value: &[u8],
    ) {
        match self.known(uniqueid, variable) {
            Some(known) => known.value = value.into(),
            None => self.known.push(KnownValue {
                uniqueid: uniqueid.into(),
                variable,
                value: value.into(),
            }),
        }
        if value.is_empty() {
            return;
        }
        let captured = &mut self.captured;
        if captured.values.is_empty() {
            captured.values.resize(vars.names.len(), Box::default());
        }
        captured.values[variable] = value.into();
        captured.opted_out |= vars
            .opt_out
            .as_ref()
            .is_some_and(|out| out.variable == variable && out.holds(value));
    }

    /// A channel has this value, as `Status` says. It is news if it was set while no session was up.
    pub(super) fn listed(
        &mut self,
        vars: &CapturedVars,
        uniqueid: &[u8],
        variable: usize,
        value: &[u8],
    ) {
        let cut = value.len() >= STATUS_CUT;
        let is_known = self
            .known(uniqueid, variable)
            .is_some_and(|known| *known.value == *value || cut && known.value.starts_with(value));
        if !is_known {
            self.set(vars, uniqueid, variable, value);
        }
    }

    fn known(&mut self, uniqueid: &[u8], variable: usize) -> Option<&mut KnownValue> {
        self.known
            .iter_mut()
            .find(|known| known.variable == variable && *known.uniqueid == *uniqueid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars() -> CapturedVars {
        CapturedVars {
            names: vec!["AMDSTATUS".into(), "CHOICE".into()],
            opt_out: Some(VarCondition {
                variable: 1,
                value: b"9"[..].into(),
            }),
            ..CapturedVars::default()
        }
    }

    #[test]
    fn the_last_value_that_is_not_empty_counts_and_an_opt_out_is_never_taken_back() {
        let vars = vars();
        let mut tracker = VarTracker::default();
        tracker.set(&vars, b"a", 1, b"9");
        tracker.set(&vars, b"a", 1, b"1");
        tracker.set(&vars, b"b", 1, b"");
        assert_eq!(tracker.captured.value(1), b"1");
        assert_eq!(tracker.captured.value(0), b"");
        assert!(tracker.captured.opted_out);
    }

    #[test]
    fn a_list_of_channels_tells_only_what_was_not_heard() {
        let vars = vars();
        let mut tracker = VarTracker::default();
        // Set on one channel, then on another; the list has both.
        tracker.set(&vars, b"a", 1, b"1");
        tracker.set(&vars, b"b", 1, b"2");
        tracker.listed(&vars, b"b", 1, b"2");
        tracker.listed(&vars, b"a", 1, b"1");
        assert_eq!(tracker.captured.value(1), b"2");
        tracker.listed(&vars, b"a", 1, b"9");
        assert_eq!(tracker.captured.value(1), b"9");
        assert!(tracker.captured.opted_out);
    }

    #[test]
    fn a_value_that_the_list_cut_is_not_taken_for_another() {
        let vars = vars();
        let mut tracker = VarTracker::default();
        let long = [b'x'; 700];
        tracker.set(&vars, b"a", 0, &long);
        tracker.listed(&vars, b"a", 0, &long[..STATUS_CUT]);
        assert_eq!(tracker.captured.value(0), long);
        tracker.listed(&vars, b"a", 0, &long[..10]);
        assert_eq!(tracker.captured.value(0), &long[..10]);
    }

    #[test]
    fn a_name_is_the_same_with_the_underscores_of_inheritance() {
        let vars = vars();
        for name in [&b"CHOICE"[..], b"_CHOICE", b"__CHOICE"] {
            assert_eq!(vars.index(name), Some(1));
        }
        for other in [&b"choice"[..], b"CHOICES", b"___CHOICE", b"", b"__"] {
            assert_eq!(vars.index(other), None, "{other:?}");
        }
        assert_eq!(CapturedVars::default().index(b""), None);
    }

    #[test]
    fn a_condition_is_not_particular_about_spaces() {
        let machine = VarCondition {
            variable: 0,
            value: b"MACHINE"[..].into(),
        };
        assert!(machine.holds(b" MACHINE "));
        assert!(!machine.holds(b"machine"));
        assert!(!machine.holds(b"MACHINES"));
        assert!(!machine.holds(b""));
    }

    #[test]
    fn a_variable_is_captured_once_whatever_it_is_for() {
        let condition = |variable: &str| config::CaptureCondition {
            variable: variable.to_owned(),
            value: "9".to_owned(),
        };
        let vars = CapturedVars::of(&config::Capture {
            variables: vec!["CHOICE".to_owned(), "AMDSTATUS".to_owned()],
            machine: Some(condition("AMDSTATUS")),
            disposition: Some("OUTCOME".to_owned()),
            opt_out: Some(config::OptOut {
                when: condition("STOP"),
                file: "dnc.txt".into(),
            }),
        });
        let names: Vec<_> = vars.names.iter().map(|name| &**name).collect();
        assert_eq!(names, ["CHOICE", "AMDSTATUS", "STOP", "OUTCOME"]);
        assert_eq!(vars.machine.unwrap().variable, 1);
        assert_eq!(vars.opt_out.unwrap().variable, 2);
        assert_eq!(vars.disposition, Some(3));
    }
}
