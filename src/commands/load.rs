//! What the operator wrote: the campaign file, the list of contacts and the numbers never to call, read together, and
//! everything that is wrong with any of them reported at once.

use std::path::Path;

use crate::commands::SECRET_VARIABLE;
use crate::config::{self, Campaign, CampaignErrors, Diagnostic};
use crate::contacts::{List, Shard};
use crate::suppression::Suppressions;

/// What the operator wrote, without an error.
pub(super) struct Input {
    pub(super) campaign: Campaign,
    pub(super) list: List,
    pub(super) suppress: Suppressions,
}

/// As much of it as can be read, and what is wrong.
pub(super) struct Examined {
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// With stand-ins for what could not be read.
    pub(super) campaign: Option<Campaign>,
    pub(super) list: Option<List>,
    pub(super) suppress: Option<Suppressions>,
}

/// Reads all of it as far as possible: the list also where the campaign file has errors elsewhere.
pub(super) fn examine(path: &Path, simulate: bool, shard: Option<Shard>) -> Examined {
    let secret = std::env::var(SECRET_VARIABLE).ok();
    let file = config::examine(path, secret.as_deref(), simulate);
    let mut errors = file.errors;
    let (mut list, mut suppress) = (None, None);
    if let Some(campaign) = &file.campaign {
        // A missing file of numbers is an error of the campaign file already.
        if errors.is_empty() {
            let opt_out = campaign.capture.opt_out.as_ref();
            let opt_out = opt_out.map(|opt_out| opt_out.file.as_path());
            match Suppressions::load(&campaign.suppress, opt_out, campaign.numbering()) {
                Ok(read) => suppress = Some(read),
                Err(error) => errors.push(error),
            }
        }
        match List::open(campaign, shard) {
            Ok(read) => list = Some(read),
            Err(of_list) => {
                // Where the name of a column is wrong, the column is not missed as well.
                let place = |error: &Diagnostic| (error.file.clone(), error.line, error.column);
                let known: Vec<_> = errors.iter().map(place).collect();
                let is_new = |error: &Diagnostic| !known.contains(&place(error));
                errors.extend(of_list.0.into_iter().filter(is_new));
            }
        }
    }
    // Those of the campaign file first, from its top to its end; then those of its lists, in their order.
    errors.sort_by_key(|error| {
        let is_of_list = error.file != path;
        let place = (!is_of_list).then_some((error.line, error.column));
        (is_of_list, place)
    });
    Examined {
        errors,
        warnings: file.warnings,
        campaign: file.campaign,
        list,
        suppress,
    }
}

impl Examined {
    /// All of it, if nothing is wrong.
    pub(super) fn input(self) -> Result<Input, CampaignErrors> {
        match (self.campaign, self.list, self.suppress) {
            (Some(campaign), Some(list), Some(suppress)) if self.errors.is_empty() => Ok(Input {
                campaign,
                list,
                suppress,
            }),
            _ => Err(CampaignErrors(self.errors)),
        }
    }
}
