//! When a client of a stream of events comes again.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::{ConnectorError, Outlet};

/// A connection that lived so long did its work: its end is no failure, and the next one follows at once.
const LIVED: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How a connection came to its end.
pub(super) enum Ended {
    /// The peer or the network ended it.
    Lost(ConnectorError),
    /// What arrived could not be delivered.
    Failed(ConnectorError),
}

/// Whether to connect again at once. A connection that ended at its beginning is the supervisor's,
/// which waits longer each time where people see it.
pub(super) async fn again(
    ended: Ended,
    since: Instant,
    pause: Option<Duration>,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let lost = match ended {
        Ended::Lost(lost) if since.elapsed() >= LIVED || pause.is_some() => lost,
        Ended::Lost(error) | Ended::Failed(error) => return Err(error),
    };
    outlet.log(Level::INFO, &format!("connecting again: {lost}"));
    let pause = pause.unwrap_or(PAUSE).min(LONGEST_PAUSE).mul_f64(rand::random_range(0.8..1.2));
    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    Ok(())
}
