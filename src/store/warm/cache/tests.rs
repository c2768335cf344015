//! A cache told of changes at every moment that matters.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::oneshot;

use super::*;

type Found = Result<Option<u32>, Infallible>;

fn cache(room: usize) -> (Arc<Ear>, Cache<u32, u32>) {
    let ear = Arc::new(Ear::new());
    let cache = Cache::new("rows", Arc::clone(&ear), room, |_| None);
    ear.set(Hearing::Clearly);
    (ear, cache)
}

async fn ask(cache: &Cache<u32, u32>, key: u32, read: impl Future<Output = Found>) -> Option<u32> {
    cache.get(&key, || read).await.unwrap()
}

/// What a cache answers without reading.
async fn known(cache: &Cache<u32, u32>, key: u32) -> Result<Option<u32>, ()> {
    cache.get(&key, || async { Err(()) }).await
}

#[tokio::test]
async fn what_was_read_is_known_until_it_changes() {
    let (_, cache) = cache(10);
    let reads = AtomicU32::new(0);
    let read = |found| {
        reads.fetch_add(1, Ordering::Relaxed);
        async move { Ok(found) }
    };
    for (key, found) in [(1, Some(5)), (2, None)] {
        assert_eq!(ask(&cache, key, read(found)).await, found);
        assert_eq!(known(&cache, key).await, Ok(found));
        cache.forget(&key);
        assert_eq!(known(&cache, key).await, Err(()));
    }
    ask(&cache, 1, read(Some(6))).await;
    cache.hear(&Change::Everything);
    assert_eq!(known(&cache, 1).await, Err(()));
}

#[tokio::test]
async fn an_answer_from_before_a_change_is_not_kept_after_it() {
    for everything in [false, true] {
        let (_, cache) = cache(10);
        let (answer, slow) = oneshot::channel();
        let asking = ask(&cache, 1, async { Ok(slow.await.ok()) });
        let changing = async {
            if everything {
                cache.hear(&Change::Everything);
            } else {
                cache.forget(&1);
            }
            answer.send(5).unwrap();
        };
        // The reader begins first, the change comes while it reads.
        let (old, ()) = tokio::join!(biased; asking, changing);
        assert_eq!(old, Some(5), "it was true when it was asked");
        assert_eq!(known(&cache, 1).await, Err(()));
    }
}

#[tokio::test]
async fn nothing_is_known_or_kept_while_changes_are_not_heard_of() {
    let (ear, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    ear.set(Hearing::Not);
    assert_eq!(ask(&cache, 1, async { Ok(Some(6)) }).await, Some(6));
    let (answer, slow) = oneshot::channel();
    let asking = ask(&cache, 2, async { Ok(slow.await.ok()) });
    let losing = async {
        // Begun without hearing; heard again before the answer comes.
        cache.hear(&Change::Everything);
        ear.set(Hearing::Clearly);
        answer.send(7).unwrap();
    };
    assert_eq!(tokio::join!(biased; asking, losing).0, Some(7));
    assert_eq!((known(&cache, 1).await, known(&cache, 2).await), (Err(()), Err(())));
}

#[tokio::test]
async fn the_last_that_is_known_serves_while_the_database_is_away() {
    let (ear, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    ear.set(Hearing::Not);
    // Somebody waits for a database that doesn't answer when it turns out to be away.
    let waiting = ask(&cache, 1, std::future::pending());
    let going = async { ear.set(Hearing::Away) };
    assert_eq!(tokio::join!(biased; waiting, going).0, Some(5));
    assert_eq!(known(&cache, 1).await, Ok(Some(5)));
    ask(&cache, 2, async { Ok(Some(6)) }).await;
    assert_eq!(known(&cache, 2).await, Err(()), "nothing new is kept");
}

#[tokio::test]
async fn what_does_not_exist_drives_out_nothing_that_does() {
    let (_, cache) = cache(100);
    for key in 0..50 {
        ask(&cache, key, async { Ok(Some(key)) }).await;
    }
    for key in 1_000..100_000 {
        ask(&cache, key, async { Ok(None) }).await;
    }
    for key in 0..50 {
        assert_eq!(known(&cache, key).await, Ok(Some(key)));
    }
    assert!(cache.absent.len() <= 200, "{}", cache.absent.len());
    for key in 1_000..100_000 {
        ask(&cache, key, async { Ok(Some(key)) }).await;
    }
    assert!(cache.present.len() <= 200, "{}", cache.present.len());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_as_the_database_goes_waits_for_the_verdict() {
    let (ear, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    for (verdict, key, found) in [
        (Some(Hearing::Away), 1, Ok(Some(5))),
        (Some(Hearing::Away), 2, Err(())),
        (Some(Hearing::Not), 1, Err(())),
        (None, 1, Err(())),
    ] {
        ear.set(Hearing::Losing);
        let deciding = async {
            tokio::time::sleep(VERDICT / 2).await;
            if let Some(verdict) = verdict {
                ear.set(verdict);
            }
        };
        assert_eq!(tokio::join!(known(&cache, key), deciding).0, found, "{verdict:?}");
    }
}
