//! Requests that are refused because of what there is, or cut off.

use super::*;

/// Rules that refuse each of the changes.
pub(super) async fn conflicts(caller: &Caller<'_>) {
    let all = operations();
    let refused = async |id: &str, path: &str, body: Value| {
        let operation = all.iter().find(|operation| operation.id == id).unwrap();
        let answer = caller.call(operation, path, &[], body.to_string()).await;
        assert_eq!(answer.status, 409, "{id}: {answer:?}");
    };
    refused(
        "createStock",
        "/stocks",
        json!({"productId": "P1", "quantity": 1, "price": 1}),
    )
    .await;
    refused(
        "setQuantity",
        "/stocks/STK-1/quantity",
        json!({"newQuantity": 0, "reason": "r"}),
    )
    .await;
    let most = json!({"delta": -1_000_000, "reason": "r"});
    refused("adjustQuantity", "/stocks/STK-1/adjustments", most).await;
    refused(
        "discontinueStock",
        "/stocks/STK-2/discontinue",
        json!({"reason": "r"}),
    )
    .await;
    let many = json!({"quantityToReserve": 1_000_000, "reason": "r"});
    refused("reserve", "/stocks/STK-1/reserve", many).await;
    let lines = json!({"lines": [{"stockId": "STK-none", "quantity": 1}]});
    refused("createReservations", "/reservations", lines).await;
    let held = caller.hold().await;
    let all_of_it = json!({"quantity": 2});
    refused(
        "confirmReservation",
        &format!("/reservations/{held}/confirm"),
        all_of_it,
    )
    .await;
    let release = all
        .iter()
        .find(|operation| operation.id == "releaseReservation")
        .unwrap();
    let path = format!("/reservations/{held}/release");
    assert_eq!(
        caller
            .call(release, &path, &[], release.text())
            .await
            .status,
        200
    );
    refused(
        "extendReservation",
        &format!("/reservations/{held}/extend"),
        json!({"ttlSeconds": 5}),
    )
    .await;
    let held = caller.hold().await;
    let confirm = all
        .iter()
        .find(|operation| operation.id == "confirmReservation")
        .unwrap();
    let path = format!("/reservations/{held}/confirm");
    assert_eq!(
        caller
            .call(confirm, &path, &[], confirm.text())
            .await
            .status,
        200
    );
    refused(
        "releaseReservation",
        &format!("/reservations/{held}/release"),
        json!({"reason": "r"}),
    )
    .await;

    // Whatever it is: while another request of the same key is under way.
    for (n, id) in ["patchStock", "setPrice", "batch"].into_iter().enumerate() {
        let operation = all.iter().find(|operation| operation.id == id).unwrap();
        let mut elsewhere = caller.world.stocks_db.begin().await.unwrap();
        sqlx::query("INSERT INTO idempotency_keys (principal, key) VALUES ('all', $1)")
            .bind(format!("busy-{n}"))
            .execute(&mut *elsewhere)
            .await
            .unwrap();
        let key = format!("busy-{n}");
        let headers = [("idempotency-key", key.as_str())];
        let answer = caller
            .call(operation, operation.path, &headers, operation.text())
            .await;
        assert_eq!(answer.status, 409, "{id}: {answer:?}");
        elsewhere.rollback().await.unwrap();
    }
}

/// A body of which only half comes.
pub(super) async fn half(caller: &Caller<'_>, operation: &Operation, path: &str) {
    let mut stream = TcpStream::connect(caller.world.virtual_stock.http)
        .await
        .unwrap();
    let head = format!(
        "{} /api/v1/virtual-stock{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\n\
         content-type: {JSON}\r\ncontent-length: 100\r\n\r\n{{",
        operation.method, caller.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read)
        .await
        .unwrap()
        .unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    caller.seen.note(operation.id, status);
}
