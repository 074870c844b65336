//! How long work on a device takes.

use std::time::Instant;

use tch::{Cuda, Device};

/// Measures time between points at which the device has finished its work.
///
/// CUDA runs behind the caller: without the wait, only the launch would be measured.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    device: Device,
    start: Instant,
    /// The processor time of this thread at the start, where it is that of the work.
    busy: Option<f64>,
}

/// The milliseconds of a lap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lap {
    /// By the clock on the wall.
    pub(crate) wall: f64,
    /// What the work took of the processor: other programs have no part in it. As `wall` where that cannot be told: where
    /// more than one thread works, or another device.
    pub(crate) work: f64,
}

impl Stopwatch {
    /// Waits for the device and starts.
    pub(crate) fn start(device: Device) -> Self {
        wait(device);
        let alone = device == Device::Cpu && tch::get_num_threads() == 1;
        Self { device, busy: alone.then(busy).flatten(), start: Instant::now() }
    }

    /// The milliseconds since the start or the last lap, once the device has finished.
    pub(crate) fn lap(&mut self) -> f64 {
        wait(self.device);
        let now = Instant::now();
        let lap = now - self.start;
        self.start = now;
        lap.as_secs_f64() * 1e3
    }

    /// As [`Stopwatch::lap`], by both clocks.
    pub(crate) fn lap_of_both(&mut self) -> Lap {
        let wall = self.lap();
        let now = self.busy.and_then(|_| busy());
        let work = self.busy.zip(now).map_or(wall, |(start, now)| now - start);
        self.busy = now;
        // Reading the second clock is no part of the next lap.
        self.start = Instant::now();
        Lap { wall, work }
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

/// The milliseconds that this thread has had of a processor.
#[cfg(unix)]
fn busy() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6)
}

#[cfg(not(unix))]
fn busy() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_is_told_from_waiting() {
        tch::set_num_threads(1);
        let mut watch = Stopwatch::start(Device::Cpu);
        sleep(Duration::from_millis(30));
        let asleep = watch.lap_of_both();
        assert!(asleep.wall >= 30.0 && (cfg!(not(unix)) || asleep.work < 10.0), "{asleep:?}");
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            black_box(());
        }
        let awake = watch.lap_of_both();
        assert!(awake.work <= awake.wall + 1.0 && awake.wall >= 30.0, "{awake:?}");
    }
}
