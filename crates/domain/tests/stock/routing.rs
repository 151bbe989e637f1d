//! Where events go.

use super::*;

fn table() -> RoutingTable {
    let rule = |name: &str, when, stream, copy| Rule {
        name: name.to_owned(),
        when,
        stream,
        copy,
    };
    let operations = |operations: &[Operation]| Condition {
        operations: operations.to_vec(),
        ..Condition::default()
    };
    RoutingTable::new(vec![
        rule(
            "dear",
            Condition {
                price_above: Some(100.into()),
                ..operations(&[Operation::Created, Operation::PriceUpdated])
            },
            Stream::HighPriority,
            false,
        ),
        rule(
            "holds",
            operations(&[Operation::Reserved]),
            Stream::HighPriority,
            false,
        ),
        rule("rest", Condition::default(), Stream::Normal, false),
        rule(
            "critical",
            Condition {
                enters: vec![Status::LowStock, Status::OutOfStock],
                ..Condition::default()
            },
            Stream::Critical,
            true,
        ),
        rule("audit", Condition::default(), Stream::Audit, true),
    ])
    .unwrap()
}

#[test]
fn events_go_where_the_first_rule_says_and_copies_beside() {
    let table = table();
    let cheap = created(200, "100");
    let dear = created(200, "100.01");
    let low = reserve(&dear.stock, 195).unwrap();
    let priced: Price = "99".parse().unwrap();

    assert_eq!(table.streams(&cheap), [Stream::Normal, Stream::Audit]);
    assert_eq!(table.streams(&dear), [Stream::HighPriority, Stream::Audit]);
    assert_eq!(
        table.streams(&low),
        [Stream::HighPriority, Stream::Critical, Stream::Audit]
    );
    assert_eq!(
        table.streams(&dear.stock.set_price(priced, reason(), stamp(5))),
        [Stream::Normal, Stream::Audit]
    );
}

#[test]
fn a_table_that_could_lose_an_event_is_refused() {
    assert!(RoutingTable::new(vec![]).is_err());
    let only_holds = Rule {
        name: "holds".to_owned(),
        when: Condition {
            operations: vec![Operation::Reserved],
            ..Condition::default()
        },
        stream: Stream::Normal,
        copy: false,
    };
    assert!(RoutingTable::new(vec![only_holds]).is_err());
}
