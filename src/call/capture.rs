//! What the callee did, as the dialplan tells it: channel variables that it sets on any channel of the call.
//!
//! Of each variable the last value counts that is not empty, since a dialplan may clear what it no longer needs, and
//! since a call may be over before it sets anything again. Somebody who opted out stays out, whatever comes after.
//! Which events there are, and which call they belong to, is the correlator's; what the values make of an outcome is
//! [`verdict`](super::verdict)'s.

use std::borrow::Cow;

/// `Status` gives no more than this of a value, in bytes.
const STATUS_CUT: usize = 511;

/// The variables that a campaign asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Their names, without underscores of inheritance. The others here are places in this list.
    pub names: Vec<Box<str>>,
    /// Who opts out.
    pub opt_out: Option<Condition>,
    /// What tells that an answered call was picked up by a machine.
    pub machine: Option<Condition>,
    /// The variable that names the disposition of an answered call.
    pub disposition: Option<usize>,
}

/// That a variable has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The variable, by its place among the names.
    pub variable: usize,
    /// The value, compared without spaces around it and without regard to case.
    pub value: Box<[u8]>,
}

/// What was caught of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// By the variables' places; empty when nothing was caught.
    values: Vec<Box<[u8]>>,
    /// The condition of [`Watched::opt_out`] held at some time.
    pub opted_out: bool,
}

impl Watched {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The place of a variable by the name that a `VarSet` gives, which has underscores where it is inherited.
    pub(super) fn place(&self, name: &[u8]) -> Option<usize> {
        if self.is_empty() {
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

impl Condition {
    /// Whether a value is the one.
    pub fn holds(&self, value: &[u8]) -> bool {
        let (value, wanted) = (value.trim_ascii(), self.value.trim_ascii());
        // What was never set meets no condition, whatever it is.
        !value.is_empty() && value.eq_ignore_ascii_case(wanted)
    }
}

impl Captured {
    /// The last value of a variable that is not empty, as Asterisk holds it; empty if there is none.
    pub fn value(&self, variable: usize) -> &[u8] {
        self.values.get(variable).map_or(b"", |value| value)
    }

    /// Whether the last value of a condition's variable is the one.
    pub fn meets(&self, condition: &Condition) -> bool {
        condition.holds(self.value(condition.variable))
    }

    /// The same as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, variable: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.value(variable))
    }
}

/// Catches the variables of one call. Without any, it holds nothing.
#[derive(Debug, Default)]
pub(super) struct Catch {
    /// What was caught so far.
    pub(super) captured: Captured,
    heard: Vec<Heard>,
}

/// The value that a channel is known to have.
#[derive(Debug)]
struct Heard {
    uniqueid: Box<[u8]>,
    variable: usize,
    value: Box<[u8]>,
}

impl Catch {
    /// A variable was set on a channel.
    pub(super) fn set(
        &mut self,
        watched: &Watched,
        uniqueid: &[u8],
        variable: usize,
        value: &[u8],
    ) {
        match self.heard(uniqueid, variable) {
            Some(heard) => heard.value = value.into(),
            None => self.heard.push(Heard {
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
            captured.values.resize(watched.names.len(), Box::default());
        }
        captured.values[variable] = value.into();
        captured.opted_out |= watched
            .opt_out
            .as_ref()
            .is_some_and(|out| out.variable == variable && out.holds(value));
    }

    /// A channel has this value, as `Status` says. It is news if it was set while nobody listened.
    pub(super) fn has(
        &mut self,
        watched: &Watched,
        uniqueid: &[u8],
        variable: usize,
        value: &[u8],
    ) {
        let cut = value.len() >= STATUS_CUT;
        let known = self
            .heard(uniqueid, variable)
            .is_some_and(|heard| *heard.value == *value || cut && heard.value.starts_with(value));
        if !known {
            self.set(watched, uniqueid, variable, value);
        }
    }

    fn heard(&mut self, uniqueid: &[u8], variable: usize) -> Option<&mut Heard> {
        self.heard
            .iter_mut()
            .find(|heard| heard.variable == variable && *heard.uniqueid == *uniqueid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched {
            names: vec!["AMDSTATUS".into(), "CHOICE".into()],
            opt_out: Some(Condition {
                variable: 1,
                value: b"9"[..].into(),
            }),
            ..Watched::default()
        }
    }

    #[test]
    fn the_last_value_that_is_not_empty_counts_and_an_opt_out_is_never_taken_back() {
        let watched = watched();
        let mut catch = Catch::default();
        catch.set(&watched, b"a", 1, b"9");
        catch.set(&watched, b"a", 1, b"1");
        catch.set(&watched, b"b", 1, b"");
        assert_eq!(catch.captured.value(1), b"1");
        assert_eq!(catch.captured.value(0), b"");
        assert!(catch.captured.opted_out);
    }

    #[test]
    fn a_list_of_channels_tells_only_what_was_not_heard() {
        let watched = watched();
        let mut catch = Catch::default();
        // Set on one channel, then on another; the list has both.
        catch.set(&watched, b"a", 1, b"1");
        catch.set(&watched, b"b", 1, b"2");
        catch.has(&watched, b"b", 1, b"2");
        catch.has(&watched, b"a", 1, b"1");
        assert_eq!(catch.captured.value(1), b"2");
        catch.has(&watched, b"a", 1, b"9");
        assert_eq!(catch.captured.value(1), b"9");
        assert!(catch.captured.opted_out);
    }

    #[test]
    fn a_value_that_the_list_cut_is_not_taken_for_another() {
        let watched = watched();
        let mut catch = Catch::default();
        let long = [b'x'; 700];
        catch.set(&watched, b"a", 0, &long);
        catch.has(&watched, b"a", 0, &long[..STATUS_CUT]);
        assert_eq!(catch.captured.value(0), long);
        catch.has(&watched, b"a", 0, &long[..10]);
        assert_eq!(catch.captured.value(0), &long[..10]);
    }

    #[test]
    fn a_name_is_the_same_with_the_underscores_of_inheritance() {
        let watched = watched();
        for name in [&b"CHOICE"[..], b"_CHOICE", b"__CHOICE"] {
            assert_eq!(watched.place(name), Some(1));
        }
        for other in [&b"choice"[..], b"CHOICES", b"___CHOICE", b"", b"__"] {
            assert_eq!(watched.place(other), None, "{other:?}");
        }
        assert_eq!(Watched::default().place(b""), None);
    }

    #[test]
    fn a_condition_is_not_particular_about_case_and_spaces() {
        let machine = Condition {
            variable: 0,
            value: b"MACHINE"[..].into(),
        };
        assert!(machine.holds(b"machine "));
        assert!(!machine.holds(b"MACHINES"));
        assert!(!machine.holds(b""));
    }
}
