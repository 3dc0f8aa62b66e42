//! A rehearsal for a plan: the campaign against the simulated Asterisk in virtual time, of which only the counts are
//! kept. Nothing is written, and nothing is logged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Zoned;
use tracing::subscriber::{NoSubscriber, with_default};

use crate::campaign::eligibility::CallingRules;
use crate::campaign::snapshot;
use crate::campaign::stats::Tally;
use crate::campaign::{self, Leftover, Resources, RunEnd, Stop};
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::connect;
use crate::config::Campaign;
use crate::contacts::List;
use crate::results::resume::PriorRun;
use crate::results::schema::ResultsColumns;
use crate::results::writer::{Sink, Writer};
use crate::suppression::Suppressions;

/// Of longer lists only so many contacts are rehearsed: that takes less than a second.
const SAMPLE: u64 = 5_000;

/// What a run would come to, if it goes as `[simulate]` says.
#[derive(Debug)]
pub(super) struct Forecast {
    pub(super) calls: u64,
    /// The time in which there are calls: without waits for the calling hours and for retries.
    pub(super) dialing: Duration,
    /// How much of that time each trunk's lines are busy, in the order of the campaign.
    pub(super) busy: Vec<f64>,
    pub(super) extent: Extent,
}

#[derive(Debug)]
pub(super) enum Extent {
    /// Everybody was rehearsed: when the run would end, and how many contacts would be left if it were stopped.
    Whole { end: Zoned, left: u64 },
    /// So many of the first contacts were; the figures are scaled.
    Sample(u64),
}

/// Rehearses a run that begins now and calls `to_call` contacts.
pub(super) fn forecast(
    campaign: &Campaign,
    list: &Arc<List>,
    suppress: &Suppressions,
    prior: PriorRun,
    limit: Option<u64>,
    to_call: u64,
) -> Result<Forecast, Failure> {
    let rehearse = |prior, limit| rehearse(campaign, list, suppress, prior, limit);
    let busy = |tally: &Tally| {
        let shares = campaign.trunks.iter().enumerate();
        shares
            .map(|(trunk, of)| tally.line_times.share(trunk, of.ports).unwrap_or_default())
            .collect()
    };
    if to_call <= SAMPLE {
        let (tally, end, over) = rehearse(prior, limit)?;
        let left = match over {
            RunEnd::Finished => 0,
            _ => tally.pending(),
        };
        return Ok(Forecast {
            calls: tally.dispatched,
            dialing: tally.line_times.dialing,
            busy: busy(&tally),
            extent: Extent::Whole { end, left },
        });
    }
    // Two samples show what each further contact takes, apart from how a run begins and ends.
    let (half, ..) = rehearse(PriorRun::default(), Some(SAMPLE / 2))?;
    let (whole, ..) = rehearse(PriorRun::default(), Some(SAMPLE))?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, and not negative"
    )]
    let calls = scaled(half.dispatched as f64, whole.dispatched as f64, to_call).round() as u64;
    let seconds = |tally: &Tally| tally.line_times.dialing.as_secs_f64();
    let dialing = scaled(seconds(&half), seconds(&whole), to_call);
    Ok(Forecast {
        calls,
        dialing: Duration::try_from_secs_f64(dialing).unwrap_or(Duration::MAX),
        busy: busy(&whole),
        extent: Extent::Sample(SAMPLE),
    })
}

/// A figure of `half` the sample and the `whole` of it, for all contacts to call.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn scaled(half: f64, whole: f64, to_call: u64) -> f64 {
    let beyond = to_call.saturating_sub(SAMPLE) as f64 / (SAMPLE / 2) as f64;
    whole + (whole - half).max(0.0) * beyond
}

/// The counts of a rehearsal, when it ended and why.
fn rehearse(
    campaign: &Campaign,
    list: &Arc<List>,
    suppress: &Suppressions,
    prior: PriorRun,
    limit: Option<u64>,
) -> Result<(Tally, Zoned, RunEnd), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .context("the runtime cannot be started")?;
    let run = async {
        let clock = Clock::following_tokio(campaign.zone());
        let mut left = Leftover {
            earlier: prior,
            ..Leftover::default()
        };
        let beginning =
            campaign::beginning(list, limit, &mut left).context("the private copy of the list")?;
        let (views, viewer) = snapshot::channel(beginning, &campaign.trunks, &clock);
        let resources = Resources {
            list: Arc::clone(list),
            reconnector: connect::simulate(campaign).await?,
            rules: CallingRules::new(campaign, list.zones(), suppress.clone(), clock.timestamp()),
            numbering: campaign.numbering(),
            rehearsal: true,
            campaign: campaign.clone(),
            writer: Writer::start(Sink::Nowhere, "the plan"),
            columns: ResultsColumns::new(&campaign.own_columns()),
            journal: None,
            clock: clock.clone(),
        };
        match campaign::run(resources, left, limit, Stop::default(), views).await {
            over @ (RunEnd::Finished
            | RunEnd::Outside(_)
            | RunEnd::StopAt
            | RunEnd::TrunksLost(_)) => {
                Ok((viewer.latest().tally, clock.zoned(clock.timestamp()), over))
            }
            other => Err(anyhow!("the rehearsal ended early: {}", other.word()).into()),
        }
    };
    with_default(NoSubscriber::default(), || runtime.block_on(Box::pin(run)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_beyond_the_sample_takes_what_one_of_its_second_half_took() {
        let all = |to_call| scaled(1_000.0, 1_800.0, to_call);
        let expected = [
            (SAMPLE, 1_800.0),
            (SAMPLE * 2, 3_400.0),
            (SAMPLE - 1, 1_800.0),
        ];
        for (to_call, expected) in expected {
            assert!((all(to_call) - expected).abs() < 1e-9, "{to_call}");
        }
        assert!(
            (scaled(2.0, 1.0, SAMPLE * 9) - 1.0).abs() < 1e-9,
            "no less than the sample"
        );
    }
}
