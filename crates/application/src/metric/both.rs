//! What both services measure.

use super::metrics;

metrics! {
    /// 1; the version of the program that runs.
    BUILD_INFO: Gauge "build_info" { version: 1 };
    /// Requests answered, by route template.
    HTTP_REQUESTS: Counter "http_requests_total" { method: 8, endpoint: 50, status: 30 };
    /// Time to answer a request.
    HTTP_REQUEST_DURATION: Histogram "http_request_duration_seconds" { method: 8, endpoint: 50 };
    /// Requests whose members or headers were wrong.
    VALIDATION_FAILURES: Counter "http_validation_failures_total" { endpoint: 50 };
    /// Requests refused because their client sent too many.
    RATE_LIMITED: Counter "http_requests_rate_limited_total";
    /// Requests refused because too many were under way.
    SHED: Counter "http_requests_shed_total";
    /// Time of an operation on the database, with the wait for a connection.
    DATABASE_DURATION: Histogram "database_operation_duration_seconds" { operation: 20 };
    /// Operations on the database that failed.
    DATABASE_FAILURES: Counter "database_operation_failures_total" { operation: 20 };
    /// Connections to the database, by pool; a state of `used` or `idle`.
    DATABASE_CONNECTIONS: Gauge "database_connections" { pool: 4, state: 2 };
    /// Connections to the database that a pool may open.
    DATABASE_CONNECTIONS_MAX: Gauge "database_connections_max" { pool: 4 };
    /// 1 if the database answered when it was asked last.
    DATABASE_UP: Gauge "database_up";
    /// By how much the database's clock is ahead of the service's.
    CLOCK_SKEW: Gauge "clock_skew_seconds";
    /// Age of the oldest transaction that is open in the service's database; other users' only with `pg_read_all_stats`.
    OLDEST_TRANSACTION: Gauge "database_oldest_transaction_seconds";
    /// 1 if a broker answered when it was asked last.
    KAFKA_UP: Gauge "kafka_up";
    /// Memory that the process may take: its control group's limit, or all there is.
    MEMORY_LIMIT: Gauge "memory_limit_bytes";
    /// Records that the broker has acknowledged.
    KAFKA_SENT: Counter "kafka_messages_sent_total" { topic: 10, partition: 64 };
    /// Time until the broker has acknowledged records that were sent together.
    KAFKA_SEND_DURATION: Histogram "kafka_send_duration_seconds";
    /// What breaks an invariant of the data, by invariant: must be 0.
    INVARIANT_VIOLATIONS: Gauge "invariant_violations" { invariant: 8 };
    /// Rows that the last full pass over the data has looked at.
    VERIFIED_ROWS: Gauge "invariant_verified_rows";
    /// When the last full pass over the data ended, since 1970.
    VERIFIED_AT: Gauge "invariant_verified_timestamp_seconds";
    /// Processor time of the process.
    PROCESS_CPU: Counter "process_cpu_seconds_total";
    /// Files and sockets that the process has open.
    PROCESS_FDS: Gauge "process_open_fds";
    /// Files and sockets that the process may have open.
    PROCESS_MAX_FDS: Gauge "process_max_fds";
    /// Memory of the process that is in use.
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes";
    /// Addresses that the process has taken.
    PROCESS_VIRTUAL_MEMORY: Gauge "process_virtual_memory_bytes";
    /// Addresses that the process may take.
    PROCESS_VIRTUAL_MEMORY_MAX: Gauge "process_virtual_memory_max_bytes";
    /// When the process began, since 1970.
    PROCESS_START: Gauge "process_start_time_seconds";
    /// Threads of the process.
    PROCESS_THREADS: Gauge "process_threads";
}
