//! What the dispatcher does when something goes wrong inside this process.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::ami::login::Login;
use crate::ami::transport::Transport;
use crate::config::{self, Simulate};
use crate::results::row;
use crate::results::whole::Whole;
use crate::results::writer::Sink;
use crate::sim::{Fates, Simulator, SimulatorConfig};

/// Everything that a run needs, on one line of a simulated Asterisk on which everybody answers.
async fn resources(folder: &Path, numbers: &str) -> Resources {
    let path = folder.join("campaign.toml");
    let text = "[ami]\nusername = \"dialer\"\nsecret = \"simulated\"\n[contacts]\nfile = \"list.csv\"\n\
                [call]\ncontext = \"c\"\nexten = \"s\"\n[[trunk]]\nname = \"t\"\nchannel = \"PJSIP/{number}@t\"\nports = 1\n";
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.join("list.csv"), format!("number\n{numbers}")).unwrap();
    let campaign = config::load(&path, None, false).unwrap();
    let simulator = Simulator::new(SimulatorConfig {
        fates: Fates::ByNumber,
        ..SimulatorConfig::new(Simulate::default())
    });
    let transport = Transport::Made(Box::new(move || {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let simulator = simulator.clone();
        tokio::spawn(async move { simulator.serve(theirs).await });
        Box::new(ours)
    }));
    let login = Login::new(
        "dialer",
        "simulated",
        campaign.ami.auth,
        Duration::from_secs(5),
    );
    let established = Link::establish(transport, login, Duration::ZERO)
        .await
        .unwrap();
    let file = Whole::begin(&folder.join("results.csv"), &row::header()).unwrap();
    Resources {
        list: Arc::new(List::open(&campaign).unwrap()),
        link: established.link,
        writer: Writer::start(Sink::Unsynced(file), "results.csv"),
        columns: row::columns(),
        journal: None,
        clock: Clock::following_tokio(),
        remark: None,
        campaign,
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_costs_its_call_and_not_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let resources = resources(folder.path(), "101\n201\n").await;
    let stop = Stop::default();
    let mut dispatcher = Dispatcher::new(resources, Earlier::default(), &[], None, stop).unwrap();
    while dispatcher.queue.peek(Instant::now()).is_none() {
        dispatcher.queue.fetched().await.unwrap();
    }
    let Some(Next::Call(ready)) = dispatcher.queue.take() else {
        panic!("the list begins with somebody to call");
    };
    let record = Record {
        id: CallId::new(),
        trunk: 0,
        log: dispatcher.pace.log(),
        begun_at: Instant::now(),
        slot: dispatcher.slots.pop().unwrap(),
        who: Who::Contact(ready.contact),
        history: ready.history,
    };
    let task = dispatcher.tasks.spawn(async { panic!("this task dies") });
    dispatcher.lines.insert(task.id(), Arc::new(record));

    let (progress, seen) = watch::channel(Tally::default());
    let over = dispatcher.run(&progress).await;
    assert!(matches!(over, Over::Finished), "{over:?}");
    assert_eq!(seen.borrow().in_flight, 0);
    let rows = std::fs::read_to_string(folder.path().join("results.csv")).unwrap();
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    assert!(rows[0].contains(",101,1,yes,yes,UNKNOWN,"), "{}", rows[0]);
    assert!(rows[0].contains("lost track of this call"), "{}", rows[0]);
    assert!(rows[1].contains(",201,1,yes,yes,ANSWERED,"), "{}", rows[1]);
    assert_eq!(rows.len(), 2);
}
