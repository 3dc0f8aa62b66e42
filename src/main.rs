use std::process::ExitCode;

fn main() -> ExitCode {
    dialer::main()
}
