//! Wall time of work on a device.

use std::time::Instant;

use tch::{Cuda, Device};

/// Measures wall time between points at which the device has finished its work.
///
/// CUDA runs behind the caller: without the wait, only the launch would be measured.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    device: Device,
    start: Instant,
}

impl Stopwatch {
    /// Waits for the device and starts.
    pub(crate) fn start(device: Device) -> Self {
        wait(device);
        Self { device, start: Instant::now() }
    }

    /// The milliseconds since the start or the last lap, once the device has finished.
    pub(crate) fn lap(&mut self) -> f64 {
        wait(self.device);
        let now = Instant::now();
        let lap = now - self.start;
        self.start = now;
        lap.as_secs_f64() * 1e3
    }

    /// The milliseconds since the start or the last lap, once the device has finished; the lap goes on.
    pub(crate) fn elapsed(&self) -> f64 {
        wait(self.device);
        self.start.elapsed().as_secs_f64() * 1e3
    }
}

fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}
