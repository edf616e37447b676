// The book's service worker: whoever has visited a page can read all of them
// without a network. FILES, with which the file that is served begins, holds
// the hash of each file of the book. With a network every file is asked for
// there; what was kept is shown only where no answer comes.
const PATIENCE = 5000; // milliseconds
const opened = caches.open('course');
const kept = name => `${name}?kept=${FILES[name]}`;

// What has changed is fetched; an installation that is broken off goes on.
addEventListener('install', event => event.waitUntil((async () => {
  const cache = await opened;
  for (const name of Object.keys(FILES)) {
    if (!await cache.match(kept(name))) {
      const answer = await fetch(name, {cache: 'no-cache'});
      if (answer.ok) await cache.put(kept(name), answer);
    }
  }
  await skipWaiting();
})()));

addEventListener('activate', event => event.waitUntil((async () => {
  const cache = await opened;
  const wanted = new Set(Object.keys(FILES).map(
    name => new URL(kept(name), registration.scope).href));
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) await cache.delete(request);
  }
  await clients.claim();
})()));

addEventListener('fetch', event => {
  const place = new URL(event.request.url);
  place.search = place.hash = '';
  const name = decodeURI(place.href.slice(registration.scope.length))
    .replace(/(^|\/)$/, '$1index.html');
  if (!place.href.startsWith(registration.scope) || !(name in FILES)) return;
  event.respondWith((async () => {
    const late = new Promise((_, refuse) => setTimeout(refuse, PATIENCE));
    const answer = fetch(event.request);
    try {
      return await Promise.race([answer, late]);
    } catch {
      return await (await opened).match(kept(name)) ?? answer;
    }
  })());
});
