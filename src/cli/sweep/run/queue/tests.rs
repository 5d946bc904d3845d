use super::*;
use crate::sweep::Setting;

fn plan(settings: usize) -> Plan {
    let setting = |index: usize| Setting { values: vec![("lr".to_owned(), index.to_string())] };
    Plan { settings: (0..settings).map(setting).collect(), seeds: vec![0] }
}

fn epochs(number: u64, accuracy: f64) -> Vec<EpochRecord> {
    let record = |epoch| EpochRecord { epoch, test_accuracy: accuracy, ..EpochRecord::default() };
    (1..=number).map(record).collect()
}

/// A queue of members that have not begun, in these groups.
fn queue<'a>(plan: &'a Plan, halving: Halving, groups: &[usize]) -> Queue<'a> {
    let start = |(member, &group)| Start { member, group, epochs: Vec::new(), ended: None };
    let starts = groups.iter().enumerate().map(start).collect();
    let (queue, ended) = Queue::new(plan, Metric::TestAccuracy, halving, Interrupt::none(), starts);
    assert!(ended.is_empty());
    queue
}

fn end(how: How, epochs: Vec<EpochRecord>) -> JobEnd {
    JobEnd { epochs, how }
}

fn reason() -> Reason {
    Reason { message: "the disk is full".to_owned(), hint: None }
}

#[test]
fn members_are_handed_out_once_by_group() {
    let plan = plan(3);
    let queue = queue(&plan, Halving::none(), &[0, 1, 0]);
    assert_eq!(queue.next_group(&|_| true), Some(0));
    let first = queue.next(0).unwrap();
    assert_eq!((first, queue.next(0).map(|job| job.member)), (Job { member: 0, until: None }, Some(2)));
    assert_eq!(queue.next(0), None);
    assert_eq!((queue.next_group(&|_| true), queue.next_group(&|group| group == 0)), (Some(1), None));
    let results = queue.done(first, end(How::Finished, epochs(2, 0.5)));
    assert_eq!((results.len(), results[0].status, results[0].epochs.len()), (1, MemberStatus::Finished, 2));
    assert_eq!(queue.unfinished(0), 1);
}

#[test]
fn a_failed_member_does_not_stop_the_others_but_a_failed_device_does() {
    let plan = plan(3);
    let queue = queue(&plan, Halving::none(), &[0, 0, 0]);
    let failed = queue.done(queue.next(0).unwrap(), end(How::Failed(reason()), Vec::new()));
    assert_eq!(
        (failed[0].status, failed[0].error.as_deref()),
        (MemberStatus::Failed, Some("the disk is full"))
    );
    let job = queue.next(0).unwrap();
    assert!(queue.done(job, end(How::DeviceFailed(reason()), Vec::new())).is_empty());
    assert_eq!((queue.next(0), queue.next_group(&|_| true)), (None, None));
    assert!(queue.failure().is_some());
}

#[test]
fn a_group_without_engines_fails_as_a_whole() {
    let plan = plan(3);
    let queue = queue(&plan, Halving::none(), &[0, 1, 0]);
    let failed: Vec<_> = queue.fail_group(0, &reason()).iter().map(|result| result.member).collect();
    assert_eq!((failed, queue.next_group(&|_| true)), (vec![0, 2], Some(1)));
}

#[test]
fn members_are_paused_at_a_rung_and_the_best_third_goes_on() {
    let plan = plan(3);
    let halving = Halving::new(3, 3.0).unwrap();
    let rung = halving.rungs()[0];
    // The members of two groups wait for each other.
    let queue = queue(&plan, halving, &[0, 1, 0]);
    for (group, accuracy) in [(0, 0.25), (0, 0.5)] {
        let job = queue.next(group).unwrap();
        assert_eq!(job.until, Some(rung));
        assert!(queue.done(job, end(How::Paused, epochs(rung, accuracy))).is_empty());
    }
    assert_eq!((queue.next(0), queue.next_group(&|_| true)), (None, Some(1)));
    let job = queue.next(1).unwrap();
    let ended = queue.done(job, end(How::Paused, epochs(rung, 0.75)));
    let ended: Vec<_> = ended.iter().map(|result| (result.member, result.status)).collect();
    assert_eq!(ended, [(0, MemberStatus::Eliminated), (2, MemberStatus::Eliminated)]);
    assert_eq!(queue.next(1), Some(Job { member: 1, until: None }));
}

#[test]
fn an_interrupted_member_has_no_result() {
    let plan = plan(2);
    let queue = queue(&plan, Halving::none(), &[0, 0]);
    let job = queue.next(0).unwrap();
    assert!(queue.done(job, end(How::Interrupted, epochs(1, 0.5))).is_empty());
    assert_eq!(queue.next(0), None);
    assert!(queue.failure().is_none());
}
