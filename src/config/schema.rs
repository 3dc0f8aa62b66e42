//! What the tables of a campaign file may hold: config.example.toml shows every key, with its default or an example.

/// The documentation of the format; whatever is not in it is an unknown key.
pub(super) const EXAMPLE: &str = include_str!("../../config.example.toml");

/// A key of a table, and a line that sets it.
pub(super) type KnownKey = (&'static str, &'static str);

/// The keys of the table that has this header (without its brackets), its own tables among them; none where the
/// operator chooses the names.
pub(super) fn known_keys(table: &str) -> Vec<KnownKey> {
    let mut keys: Vec<KnownKey> = Vec::new();
    let mut header = "";
    for line in EXAMPLE.lines() {
        let line = line.split("  #").next().unwrap_or(line).trim_end();
        let (key, example) = if line.starts_with('[') {
            header = line.trim_matches(['[', ']']);
            let below = header.strip_prefix(table).unwrap_or_default();
            let below = below.strip_prefix('.').unwrap_or(match table {
                "" => below,
                _ => "",
            });
            (below.split('.').next(), line)
        } else {
            // What there is instead of another key is commented out.
            let line = line.trim_start_matches("# ");
            let key = line.split_once(" = ").map(|(key, _)| key);
            (key.filter(|_| header == table), line)
        };
        let is_key = |key: &&str| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        if let Some(key) = key.filter(is_key)
            && keys.iter().all(|(known, _)| *known != key)
        {
            keys.push((key, example));
        }
    }
    keys
}
