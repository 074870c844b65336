//! Work of our own on the threads that LibTorch computes with.

use std::any::Any;
use std::ffi::c_void;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Does the same work with each of the parts on LibTorch's threads, and comes back when all is done.
///
/// They are those that share LibTorch's operators, as many as `tch::set_num_threads` says, with the calling thread among
/// them. Others beside them would have to share the cores: for a while after each operator LibTorch's threads wait for the
/// next one at full speed. Within work that is shared already, all parts are done by the thread that is there.
///
/// # Panics
/// Where the work does, once the other parts are done, or where LibTorch has no threads.
pub(crate) fn parallel_for<T: Send>(parts: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let did = shim::parallel_for(parts.len(), &|range: Range<usize>| {
        for part in &parts[range] {
            let part = lock(part).take();
            // No panic may go through the frames of C++.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| part.map(&work))) {
                lock(&panic).get_or_insert(payload);
            }
        }
    });
    if let Some(payload) = lock(&panic).take() {
        resume_unwind(payload);
    }
    assert!(did, "LibTorch cannot share work among its threads, and has told why on standard error");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The C side, which is LibTorch's own and lets no exception out.
///
/// `at::parallel_for` itself is a header: it shares only what is compiled for OpenMP, and linked to the very OpenMP that
/// LibTorch has brought along.
#[expect(unsafe_code, reason = "calls C, which the function here makes safe")]
mod shim {
    use super::*;

    /// Calls `run` with ranges that together have each number below `count` once; tells whether it could.
    pub(super) fn parallel_for<F: Fn(Range<usize>) + Sync>(count: usize, run: &F) -> bool {
        extern "C" fn call<F: Fn(Range<usize>) + Sync>(begin: i64, end: i64, run: *mut c_void) {
            // SAFETY: what `parallel_for` has borrowed until all calls are done, of the type that it has named.
            let run = unsafe { &*run.cast_const().cast::<F>() };
            run(begin as usize..end as usize);
        }
        // SAFETY: the function may be called by any thread, since `F` is `Sync`, and is called no more afterwards.
        unsafe { torch_parallel_for(0, count as i64, 1, call::<F>, ptr::from_ref(run).cast_mut().cast()) == 0 }
    }

    unsafe extern "C" {
        fn torch_parallel_for(
            begin: i64,
            end: i64,
            grain_size: i64,
            work: extern "C" fn(i64, i64, *mut c_void),
            context: *mut c_void,
        ) -> i32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// Does something with a number of LibTorch's threads.
    fn on<T>(threads: i32, run: impl FnOnce() -> T) -> T {
        let before = tch::get_num_threads();
        tch::set_num_threads(threads);
        let result = run();
        tch::set_num_threads(before);
        result
    }

    #[test]
    fn each_part_is_done_once_whatever_their_number() {
        for count in [0, 1, 2, 3, 7, 100] {
            let mut numbers = vec![0; count];
            on(3, || parallel_for(numbers.iter_mut().enumerate(), |(number, cell)| *cell += number + 1));
            assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn as_many_threads_as_libtorch_has_share_the_parts() {
        let workers = |threads, parts: usize| {
            let found = Mutex::new(BTreeSet::new());
            let name = || format!("{:?}", thread::current().id());
            on(threads, || {
                parallel_for(0..parts, |_| {
                    lock(&found).insert(name());
                });
            });
            let found = found.into_inner().unwrap();
            assert!(found.contains(&name()), "the caller is one of them");
            found.len()
        };
        assert_eq!([(1, 4), (2, 4), (3, 6), (3, 2)].map(|(threads, parts)| workers(threads, parts)), [1, 2, 3, 2]);
    }

    #[test]
    fn what_is_shared_within_shared_work_stays_with_its_thread() {
        let strangers = AtomicUsize::new(0);
        on(2, || {
            parallel_for(0..2, |_| {
                let here = thread::current().id();
                parallel_for(0..4, |_| {
                    strangers.fetch_add(usize::from(thread::current().id() != here), Ordering::Relaxed);
                });
            });
        });
        assert_eq!(strangers.into_inner(), 0);
    }

    #[test]
    fn a_panic_arrives_once_the_other_parts_are_done() {
        let done = AtomicUsize::new(0);
        let work = |part: usize| {
            assert_ne!(part % 4, 1, "part {part}");
            done.fetch_add(1, Ordering::Relaxed);
        };
        let payload = catch_unwind(AssertUnwindSafe(|| on(2, || parallel_for(0..8, work)))).expect_err("two panics");
        let message = payload.downcast_ref::<String>().expect("a text");
        assert!(message.contains("part 1") || message.contains("part 5"), "{message}");
        assert_eq!(done.into_inner(), 6);
        // LibTorch's threads are there as before.
        let again = AtomicUsize::new(0);
        on(2, || {
            parallel_for(0..8, |_| {
                again.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(again.into_inner(), 8);
    }
}
