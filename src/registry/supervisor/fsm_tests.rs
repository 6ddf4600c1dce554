use proptest::prelude::*;

use super::*;

const V1: Spec = Spec { version: 1, generation: 0, epoch: 1 };
const V2: Spec = Spec { version: 2, generation: 0, epoch: 1 };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn broken(permanent: bool) -> Failure {
    Failure { code: "connect_failed".into(), message: "refused".into(), permanent, retry_after: None }
}

fn running(spec: Spec) -> Fsm {
    let mut fsm = Fsm::new(Retry::default());
    fsm.step(secs(0), 0.0, Input::Want(Some(spec)));
    fsm.step(secs(0), 0.0, Input::Started(spec));
    fsm
}

#[test]
fn a_new_version_is_built_beside_the_old_one_and_takes_over() {
    let mut fsm = running(V1);
    assert_eq!(fsm.step(secs(1), 0.0, Input::Want(Some(V2))), [Action::Start(V2)]);
    assert_eq!(fsm.running(), Some(V1));
    assert_eq!(fsm.step(secs(2), 0.0, Input::Started(V2)), [Action::Switch]);
    assert_eq!(fsm.running(), Some(V2));
}

#[test]
fn a_version_that_cannot_start_leaves_the_running_one_and_shows_its_error() {
    let mut fsm = running(V1);
    fsm.step(secs(1), 0.0, Input::Want(Some(V2)));
    fsm.step(secs(2), 0.0, Input::StartFailed(V2, broken(true)));
    assert_eq!((fsm.observed(), fsm.running()), (WorkerStatus::Running, Some(V1)));
    assert_eq!(fsm.failure(), Some(&broken(true)));
    assert_eq!(fsm.step(secs(1_000), 0.0, Input::Tick), []);
    // Back to what runs: the error is over.
    assert_eq!(fsm.step(secs(1_001), 0.0, Input::Want(Some(V1))), []);
    assert_eq!(fsm.failure(), None);
}

#[test]
fn a_worker_in_trouble_runs_on_and_shows_its_error_until_it_works_again() {
    let mut fsm = running(V1);
    assert_eq!(fsm.step(secs(1), 0.0, Input::Troubled(V1, broken(false))), []);
    assert_eq!((fsm.observed(), fsm.failure()), (WorkerStatus::Running, Some(&broken(false))));
    assert_eq!((fsm.wake_at(), fsm.restarts()), (None, 0), "it is not started again");
    fsm.step(secs(2), 0.0, Input::Proven(V1));
    assert_eq!(fsm.failure(), None);

    // The trouble of what runs does not hide why what is wanted does not.
    fsm.step(secs(3), 0.0, Input::Want(Some(V2)));
    fsm.step(secs(4), 0.0, Input::StartFailed(V2, broken(true)));
    fsm.step(secs(5), 0.0, Input::Troubled(V1, broken(false)));
    assert_eq!((fsm.failure(), fsm.failed()), (Some(&broken(true)), Some(V2)));
}

#[test]
fn failures_back_off_exponentially_up_to_the_cap() {
    let mut fsm = Fsm::new(Retry::default());
    fsm.step(secs(0), 1.0, Input::Want(Some(V1)));
    let mut now = secs(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        fsm.step(now, 1.0, Input::StartFailed(V1, broken(false)));
        assert_eq!(fsm.observed(), WorkerStatus::BackingOff);
        let due = fsm.wake_at().expect("a retry is due");
        assert_eq!(fsm.step(due - Duration::from_millis(1), 1.0, Input::Tick), []);
        waits.push((due - now).as_secs());
        now = due;
        assert_eq!(fsm.step(now, 1.0, Input::Tick), [Action::Start(V1)]);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert_eq!(fsm.restarts(), 12);
}

#[test]
fn a_peer_that_names_a_time_is_not_asked_before() {
    let mut fsm = Fsm::new(Retry::default());
    fsm.step(secs(0), 0.0, Input::Want(Some(V1)));
    let failure = Failure { retry_after: Some(secs(90)), ..broken(false) };
    fsm.step(secs(0), 0.0, Input::StartFailed(V1, failure));
    assert_eq!(fsm.wake_at(), Some(secs(90)));
}

#[test]
fn a_long_run_forgives_earlier_failures() {
    let mut fsm = running(V1);
    for _ in 0..5 {
        fsm.step(secs(0), 1.0, Input::Exited(V1, Some(broken(false))));
        fsm.step(secs(10_000), 1.0, Input::Tick);
        fsm.step(secs(10_000), 1.0, Input::Started(V1));
    }
    fsm.step(secs(20_000), 1.0, Input::Exited(V1, Some(broken(false))));
    assert_eq!(fsm.wake_at(), Some(secs(20_001)));
}

/// A poller starts whether its source answers or not.
#[test]
fn a_failure_is_over_when_the_worker_did_its_work_not_when_it_starts() {
    let mut fsm = running(V1);
    fsm.step(secs(1), 1.0, Input::Exited(V1, Some(broken(false))));
    fsm.step(secs(2), 1.0, Input::Tick);
    fsm.step(secs(2), 1.0, Input::Started(V1));
    assert_eq!((fsm.observed(), fsm.failure()), (WorkerStatus::Running, Some(&broken(false))));
    fsm.step(secs(3), 1.0, Input::Want(Some(V1)));
    assert!(fsm.failure().is_some(), "to want it again proves nothing");
    fsm.step(secs(3), 1.0, Input::Proven(V2));
    assert!(fsm.failure().is_some(), "another one did");
    fsm.step(secs(3), 1.0, Input::Proven(V1));
    assert_eq!(fsm.failure(), None);
}

/// The old worker goes on well; that says nothing of the version that cannot start.
#[test]
fn the_work_of_the_old_version_does_not_hide_the_failure_of_the_new_one() {
    let mut fsm = running(V1);
    fsm.step(secs(1), 0.0, Input::Want(Some(V2)));
    fsm.step(secs(2), 0.0, Input::StartFailed(V2, broken(false)));
    fsm.step(secs(2), 0.0, Input::Proven(V1));
    assert_eq!(fsm.failure(), Some(&broken(false)));
}

#[test]
fn a_permanent_error_waits_for_another_version_or_a_restart() {
    let mut fsm = running(V1);
    fsm.step(secs(1), 0.0, Input::Exited(V1, Some(broken(true))));
    assert_eq!((fsm.observed(), fsm.wake_at()), (WorkerStatus::Error, None));
    assert_eq!(fsm.step(secs(2), 0.0, Input::Want(Some(V1))), []);
    let again = Spec { generation: 1, ..V1 };
    assert_eq!(fsm.step(secs(3), 0.0, Input::Want(Some(again))), [Action::Start(again)]);
}

#[test]
fn stopping_cancels_a_start_and_drains_what_runs() {
    let mut fsm = running(V1);
    fsm.step(secs(1), 0.0, Input::Want(Some(V2)));
    assert_eq!(fsm.step(secs(2), 0.0, Input::Want(None)), [Action::CancelStart, Action::Stop]);
    assert_eq!(fsm.observed(), WorkerStatus::Stopped);
    assert_eq!(fsm.step(secs(3), 0.0, Input::Started(V2)), [], "too late to start");
}

fn any_input() -> impl Strategy<Value = Input> {
    let spec = (1..4i32, 0..2i64).prop_map(|(version, generation)| Spec { version, generation, epoch: 1 });
    prop_oneof![
        Just(Input::Want(None)),
        spec.clone().prop_map(|s| Input::Want(Some(s))),
        spec.clone().prop_map(Input::Started),
        spec.clone().prop_map(Input::Proven),
        (spec.clone(), any::<bool>()).prop_map(|(s, p)| Input::StartFailed(s, broken(p))),
        (spec, any::<bool>()).prop_map(|(s, p)| Input::Exited(s, Some(broken(p)))),
        Just(Input::Tick),
    ]
}

proptest! {
    /// Whatever happens in whatever order, the actions keep at most one start under way,
    /// and what the machine says runs is what was switched to.
    #[test]
    fn actions_and_state_agree(inputs in prop::collection::vec(any_input(), 0..60)) {
        let mut fsm = Fsm::new(Retry::default());
        let (mut starting, mut runs): (Option<Spec>, Option<Spec>) = (None, None);
        let mut wanted = None;
        for (i, input) in inputs.into_iter().enumerate() {
            if let Input::Want(w) = &input {
                wanted = *w;
            }
            match &input {
                Input::Exited(s, _) if runs == Some(*s) => runs = None,
                Input::StartFailed(s, _) if starting == Some(*s) => starting = None,
                _ => {}
            }
            let started = match &input { Input::Started(s) => Some(*s), _ => None };
            for action in fsm.step(secs(1_000 * i as u64), 0.5, input) {
                match action {
                    Action::Start(s) => {
                        prop_assert_eq!(starting, None);
                        prop_assert_eq!(Some(s), wanted, "only what is wanted is started");
                        starting = Some(s);
                    }
                    Action::CancelStart => prop_assert!(starting.take().is_some()),
                    Action::Stop => prop_assert!(runs.take().is_some()),
                    Action::Switch => {
                        prop_assert_eq!(starting.take(), started);
                        runs = started;
                    }
                }
            }
            prop_assert_eq!(fsm.running(), runs);
            if wanted.is_none() {
                prop_assert_eq!(fsm.observed(), WorkerStatus::Stopped);
            }
        }
    }
}
