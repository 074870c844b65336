//! Work done ahead by several threads, and handed over in its order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::{Error, Result};

/// What becomes of each of some jobs, in their order whoever is done first.
///
/// The results that exist at a time are bounded: those in the making, those that wait, and the one that was handed over
/// last, which counts until the next is asked for. The first error is the end. Threads end with their jobs, or when this
/// is dropped, as soon as each has finished the job that it is at.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    jobs: usize,
    /// The most results at a time.
    limit: usize,
    /// The results that were handed over.
    taken: usize,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// The jobs that somebody has begun.
    begun: usize,
    /// The jobs that may be begun are those before this one.
    allowed: usize,
    /// The jobs that are to be begun are those before this one: all of them, until there is no more use for them.
    end: usize,
    /// What is done, and has not been asked for yet.
    done: BTreeMap<usize, Result<T>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Begins to work on `jobs` by so many threads, one at least, with no more results at a time than `limit`, and one at
    /// least.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the system starts no thread.
    pub(crate) fn new<J: Send + Sync + 'static>(
        jobs: Vec<J>,
        workers: usize,
        limit: usize,
        work: impl Fn(&J) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Self> {
        let limit = limit.max(1);
        let state = State { begun: 0, allowed: limit, end: jobs.len(), done: BTreeMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let mut ahead = Self { shared, threads: Vec::new(), jobs: jobs.len(), limit, taken: 0 };
        let task = Arc::new((jobs, work));
        // More threads than there may be results would only wait.
        for number in 0..workers.clamp(1, limit).min(ahead.jobs) {
            let (shared, task) = (Arc::clone(&ahead.shared), Arc::clone(&task));
            let thread = Builder::new().name(format!("m2sn data {number}")).spawn(move || {
                let (jobs, work) = &*task;
                while let Some(number) = shared.begin() {
                    // Whatever happens, there is a result: somebody waits for it.
                    let result = caught("data set", || work(&jobs[number]));
                    shared.state().done.insert(number, result);
                    shared.changed.notify_all();
                }
            });
            match thread {
                Ok(thread) => ahead.threads.push(thread),
                Err(error) if number == 0 => {
                    return Err(Error::invalid(format!(
                        "data set: the system starts no thread that would read: {error}"
                    )));
                }
                // Fewer do as well.
                Err(_) => break,
            }
        }
        Ok(ahead)
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.taken == self.jobs {
            return None;
        }
        let mut state = self.shared.state();
        // Whoever asks for the next result has done with the last.
        state.allowed = self.taken.saturating_add(self.limit);
        self.shared.changed.notify_all();
        let result = loop {
            match state.done.remove(&self.taken) {
                Some(result) => break result,
                None => state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        self.taken += 1;
        if result.is_err() {
            self.jobs = self.taken;
            self.shared.stop();
        }
        Some(result)
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // What a thread panics at is caught inside it.
            let _ = thread.join();
        }
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, as soon as it may be begun; `None` where no other is to be.
    fn begin(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            let number = state.begun;
            if number >= state.end {
                return None;
            }
            if number < state.allowed {
                state.begun += 1;
                return Some(number);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets no other job begin.
    fn stop(&self) {
        self.state().end = 0;
        self.changed.notify_all();
    }
}

/// What `work` comes to, a panic being an error that says what was worked on.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::invalid(format!("{what}: reading panicked: {}", message(panic.as_ref())))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Counts how many of its kind there are.
    #[derive(Debug)]
    struct Counted {
        number: usize,
        alive: Arc<AtomicUsize>,
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Jobs of which every third is slow, the count of results that exist, and the most that ever did.
    fn counted(jobs: usize, workers: usize, limit: usize) -> (Ahead<Counted>, [Arc<AtomicUsize>; 2]) {
        let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let [alive, most] = counts.clone();
        let ahead = Ahead::new((0..jobs).collect(), workers, limit, move |number| {
            let now = alive.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            if number % 3 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(Counted { number: *number, alive: Arc::clone(&alive) })
        });
        (ahead.unwrap(), counts)
    }

    #[test]
    fn results_come_in_order_and_never_more_than_allowed() {
        for (workers, limit) in [(1, 1), (1, 3), (4, 1), (4, 4), (3, 5), (8, 100), (0, 0)] {
            let (ahead, [alive, most]) = counted(40, workers, limit);
            let numbers: Vec<usize> = ahead.map(|result| result.unwrap().number).collect();
            assert_eq!(numbers, (0..40).collect::<Vec<_>>());
            assert!(most.load(Ordering::SeqCst) <= limit.max(1), "{most:?} of {limit} by {workers}");
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
        assert!(counted(0, 4, 4).0.next().is_none());
    }

    #[test]
    fn what_is_dropped_midway_leaves_nothing_behind() {
        for taken in [0, 1, 7] {
            let (mut ahead, [alive, _]) = counted(1000, 4, 6);
            for _ in 0..taken {
                ahead.next().unwrap().unwrap();
            }
            let shared = Arc::downgrade(&ahead.shared);
            drop(ahead);
            assert_eq!(alive.load(Ordering::SeqCst), 0);
            assert!(shared.upgrade().is_none(), "a thread still runs");
        }
    }

    #[test]
    fn the_first_error_in_order_is_the_end() {
        let fails = |panics: bool| {
            let work = move |number: &usize| match number {
                // Later ones are done before it.
                5 => {
                    std::thread::sleep(Duration::from_millis(20));
                    if panics { panic!("number {number} is broken") } else { Err(Error::invalid("five")) }
                }
                7 => Err(Error::invalid("seven")),
                _ => Ok(*number),
            };
            let mut ahead = Ahead::new((0..20).collect(), 4, 8, work).unwrap();
            let before: Vec<usize> = ahead.by_ref().take(5).map(Result::unwrap).collect();
            assert_eq!(before, [0, 1, 2, 3, 4]);
            let error = ahead.next().unwrap().unwrap_err().to_string();
            assert!(ahead.next().is_none());
            error
        };
        assert_eq!(fails(false), "five");
        assert_eq!(fails(true), "data set: reading panicked: number 5 is broken");
    }
}
