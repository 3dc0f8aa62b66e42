//! What the dialplan says of a call, from the event to the row.

use super::*;

/// The simulated Asterisk runs no dialplan: what is captured here is what the originate itself sets.
const CAPTURE: &str = r#"
[call.variables]
AMDSTATUS = "{amd}"
CHOICE = "{choice}"
OUTCOME = "{outcome}"

[[trunk]]
name = "carrier"
channel = "PJSIP/{number}@carrier"
ports = 10
calls_per_second = 100.0

[capture]
variables = ["CHOICE"]
machine = "AMDSTATUS=MACHINE"
disposition = "OUTCOME"
opt_out = { when = "CHOICE=9", file = "dnc.txt" }
"#;

#[tokio::test(start_paused = true)]
async fn what_was_captured_stands_in_its_column_and_decides_what_follows() {
    let list = "number,mobile,amd,choice,outcome\n\
        00101,,HUMAN,1,\n\
        00201,,MACHINE,,\n\
        00301,,HUMAN,,no_answer\n\
        00401,00501,HUMAN,9,NO ANSWER\n\
        00610,,MACHINE,3,SHORT\n";
    let columns = "number = [\"number\", \"mobile\"]\nkeep = [\"amd\"]";
    let lab = Lab::with(columns, CAPTURE, list);
    let run = lab.dial().await;
    run.assert_one_final_row_each(5);
    for (contact, dispositions, choice) in [
        ("00101", &["ANSWERED"][..], "1"),
        ("00201", &["MACHINE"], ""),
        ("00301", &["NO ANSWER"; 3], ""),
        ("00610", &["BUSY"; 3], "3"),
    ] {
        assert_eq!(run.column(contact, "disposition"), dispositions);
        assert_eq!(
            run.column(contact, "CHOICE"),
            vec![choice; dispositions.len()]
        );
    }
    assert_eq!(run.column("00201", "amd"), ["MACHINE"]);
    assert_eq!(run.of("00301")[0]["note"], "told by OUTCOME");
    // Who opted out is not called again, though the outcome would have it, and none of the numbers is.
    assert_eq!(
        run.column("00401", "disposition"),
        ["NO ANSWER", "SUPPRESSED"]
    );
    let file = fs::read_to_string(lab.folder.path().join("dnc.txt")).unwrap();
    assert_eq!(file, "00401\n00501\n");
}
