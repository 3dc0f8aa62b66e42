//! Numbers, times and names as people read them.

use std::time::Duration;

/// `55.0%`; of nothing there is no share.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    share(part, whole).map_or("–".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

/// Between 0 and 1; of nothing there is no share.
#[expect(clippy::cast_precision_loss, reason = "a share")]
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// With four decimals: a share, or a speed.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// With three decimals.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// `4.2s`, `4m 12s`, `1h 04m 12s`.
pub(crate) fn exact(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        _ => format!("{hours}h {minutes:02}m {:02}s", seconds % 60),
    }
}

/// `45s`, `12m`, `3h 20m`, `4d`.
pub(crate) fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let minutes = seconds.div_ceil(60);
    match seconds {
        0..90 => format!("{seconds}s"),
        90..5_400 => format!("{minutes}m"),
        5_400..172_800 => format!("{}h {:02}m", minutes / 60, minutes % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// At most so many characters, the last of them `~` where some are left out.
pub(crate) fn cut(name: &str, most: usize) -> String {
    // What moves the cursor has no place in a table.
    let name: String = name.chars().filter(|char| !char.is_control()).collect();
    if name.chars().count() <= most {
        return name;
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rough_time_is_short() {
        let times = [0, 89, 91, 5_399, 5_400, 100_000, 200_000];
        assert_eq!(
            times.map(|seconds| rough(Duration::from_secs(seconds))),
            ["0s", "89s", "2m", "90m", "1h 30m", "27h 47m", "2d"]
        );
    }
}
