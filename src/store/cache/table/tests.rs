//! Invalidations at every moment of a read.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::oneshot;

use super::*;

type Found = Result<Option<u32>, Infallible>;

fn cache(room: usize) -> (Arc<FeedState>, ReadThroughCache<u32, u32>) {
    let feed = Arc::new(FeedState::new());
    let cache = ReadThroughCache::new("rows", Arc::clone(&feed), room, |_| None);
    feed.set(FeedStatus::Live);
    (feed, cache)
}

async fn ask(
    cache: &ReadThroughCache<u32, u32>,
    key: u32,
    read: impl Future<Output = Found>,
) -> Option<u32> {
    cache.get(&key, || read).await.unwrap()
}

/// Returns what the cache holds, without reading.
async fn known(cache: &ReadThroughCache<u32, u32>, key: u32) -> Result<Option<u32>, ()> {
    cache.get(&key, || async { Err(()) }).await
}

#[tokio::test]
async fn caches_rows_and_absence_until_invalidated() {
    let (_, cache) = cache(10);
    let reads = AtomicU32::new(0);
    let read = |found| {
        reads.fetch_add(1, Ordering::Relaxed);
        async move { Ok(found) }
    };
    for (key, found) in [(1, Some(5)), (2, None)] {
        assert_eq!(ask(&cache, key, read(found)).await, found);
        assert_eq!(known(&cache, key).await, Ok(found));
        cache.remove(&key);
        assert_eq!(known(&cache, key).await, Err(()));
    }
    ask(&cache, 1, read(Some(6))).await;
    cache.invalidate(&Invalidation::Everything);
    assert_eq!(known(&cache, 1).await, Err(()));
}

#[tokio::test]
async fn does_not_cache_a_read_that_began_before_an_invalidation() {
    for everything in [false, true] {
        let (_, cache) = cache(10);
        let (response, slow) = oneshot::channel();
        let asking = ask(&cache, 1, async { Ok(slow.await.ok()) });
        let changing = async {
            if everything {
                cache.invalidate(&Invalidation::Everything);
            } else {
                cache.remove(&1);
            }
            response.send(5).unwrap();
        };
        // The read begins first, the invalidation comes while it runs.
        let (old, ()) = tokio::join!(biased; asking, changing);
        assert_eq!(old, Some(5), "it was current when the read began");
        assert_eq!(known(&cache, 1).await, Err(()));
    }
}

#[tokio::test]
async fn neither_serves_nor_caches_while_disconnected() {
    let (feed, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    feed.set(FeedStatus::Disconnected);
    assert_eq!(ask(&cache, 1, async { Ok(Some(6)) }).await, Some(6));
    let (response, slow) = oneshot::channel();
    let asking = ask(&cache, 2, async { Ok(slow.await.ok()) });
    let losing = async {
        // The read began while disconnected; the feed is live again before it ends.
        cache.invalidate(&Invalidation::Everything);
        feed.set(FeedStatus::Live);
        response.send(7).unwrap();
    };
    assert_eq!(tokio::join!(biased; asking, losing).0, Some(7));
    assert_eq!((known(&cache, 1).await, known(&cache, 2).await), (Err(()), Err(())));
}

#[tokio::test]
async fn serves_stale_rows_while_the_database_is_down() {
    let (feed, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    feed.set(FeedStatus::Disconnected);
    // A read hangs when the database turns out to be unreachable.
    let waiting = ask(&cache, 1, std::future::pending());
    let going = async { feed.set(FeedStatus::DatabaseDown) };
    assert_eq!(tokio::join!(biased; waiting, going).0, Some(5));
    assert_eq!(known(&cache, 1).await, Ok(Some(5)));
    ask(&cache, 2, async { Ok(Some(6)) }).await;
    assert_eq!(known(&cache, 2).await, Err(()), "nothing new is cached");
}

#[tokio::test]
async fn absent_keys_do_not_evict_rows() {
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
async fn a_read_that_fails_after_the_feed_is_lost_waits_for_the_outage_check() {
    let (feed, cache) = cache(10);
    ask(&cache, 1, async { Ok(Some(5)) }).await;
    for (verdict, key, found) in [
        (Some(FeedStatus::DatabaseDown), 1, Ok(Some(5))),
        (Some(FeedStatus::DatabaseDown), 2, Err(())),
        (Some(FeedStatus::Disconnected), 1, Err(())),
        (None, 1, Err(())),
    ] {
        feed.set(FeedStatus::Lost);
        let deciding = async {
            tokio::time::sleep(OUTAGE_CHECK_TIMEOUT / 2).await;
            if let Some(verdict) = verdict {
                feed.set(verdict);
            }
        };
        assert_eq!(tokio::join!(known(&cache, key), deciding).0, found, "{verdict:?}");
    }
}
