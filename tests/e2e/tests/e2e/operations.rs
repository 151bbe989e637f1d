//! A request of every operation of the API.

use reqwest::Method;
use serde_json::{Value, json};

pub(crate) const JSON: &str = "application/json";

/// A request that is carried out, if everything is as it should be.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Value,
    pub(crate) success: u16,
}

/// One of each.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, body, success| Operation {
        id,
        method,
        path,
        content_type: JSON,
        body,
        success,
    };
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let reason = || json!({"reason": "r"});
    let event = json!({"operation": "CREATED", "stock": {"unitPrice": "1", "status": "AVAILABLE"}});
    let reserve = json!({"quantityToReserve": 1, "reason": "r"});
    let order = json!({"lines": [{"stockId": "STK-1", "quantity": 1}]});
    let batch = json!({"operations": [{"op": "patch", "stockId": "STK-1"}]});
    let mut all = vec![
        op(
            "createStock",
            post.clone(),
            "/stocks",
            json!({"productId": "NEW", "quantity": 1, "price": 1}),
            201,
        ),
        op("listStocks", get.clone(), "/stocks", Value::Null, 200),
        op("getStock", get.clone(), "/stocks/STK-1", Value::Null, 200),
        op(
            "patchStock",
            Method::PATCH,
            "/stocks/STK-1",
            json!({"symbol": "S"}),
            200,
        ),
        op(
            "setQuantity",
            put.clone(),
            "/stocks/STK-1/quantity",
            json!({"newQuantity": 100, "reason": "r"}),
            200,
        ),
        op(
            "setPrice",
            put,
            "/stocks/STK-1/price",
            json!({"newPrice": 1, "reason": "r"}),
            200,
        ),
        op(
            "adjustQuantity",
            post.clone(),
            "/stocks/STK-1/adjustments",
            json!({"delta": 1, "reason": "r"}),
            201,
        ),
        op(
            "discontinueStock",
            post.clone(),
            "/stocks/STK-2/discontinue",
            reason(),
            200,
        ),
        op(
            "reserve",
            post.clone(),
            "/stocks/STK-1/reserve",
            reserve,
            200,
        ),
        op(
            "listMovements",
            get.clone(),
            "/stocks/STK-1/movements",
            Value::Null,
            200,
        ),
        op(
            "listStockReservations",
            get.clone(),
            "/stocks/STK-1/reservations",
            Value::Null,
            200,
        ),
        op("batch", post.clone(), "/stocks/batch", batch, 200),
        op("import", post.clone(), "/imports", Value::Null, 200),
        op("listLowStock", get.clone(), "/low-stock", Value::Null, 200),
        op("getStats", get.clone(), "/stats", Value::Null, 200),
        op(
            "createReservations",
            post.clone(),
            "/reservations",
            order,
            201,
        ),
        op(
            "listReservations",
            get.clone(),
            "/reservations",
            Value::Null,
            200,
        ),
        op(
            "getReservation",
            get.clone(),
            "/reservations/HELD",
            Value::Null,
            200,
        ),
        op(
            "confirmReservation",
            post.clone(),
            "/reservations/HELD/confirm",
            json!({}),
            200,
        ),
        op(
            "extendReservation",
            post.clone(),
            "/reservations/HELD/extend",
            json!({"ttlSeconds": 60}),
            200,
        ),
        op(
            "releaseReservation",
            post.clone(),
            "/reservations/HELD/release",
            reason(),
            200,
        ),
        op("explainRouting", post, "/routing/explain", event, 200),
        op(
            "streamEvents",
            get.clone(),
            "/events/stream",
            Value::Null,
            200,
        ),
        op(
            "problemPage",
            get,
            "/problems/unavailable",
            Value::Null,
            200,
        ),
    ];
    for operation in &mut all {
        if operation.id == "import" {
            operation.content_type = "text/csv";
        }
    }
    all
}

impl Operation {
    /// Its body.
    pub(crate) fn text(&self) -> String {
        match (&self.body, self.id) {
            (_, "import") => "productId,quantity,price\n".to_owned(),
            (Value::Null, _) => String::new(),
            (body, _) => body.to_string(),
        }
    }
}
