//! stub
use super::Failure;
/// stub
pub fn run(_: &crate::cli::ExportArgs) -> Result<u8, Failure> {
    Ok(0)
}
