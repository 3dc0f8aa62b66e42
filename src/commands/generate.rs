//! stub
use super::Failure;
/// stub
pub fn run(_: &crate::cli::GenerateArgs) -> Result<u8, Failure> { Ok(0) }
