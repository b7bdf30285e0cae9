"use strict";
// Keeps a page as fresh as the database: asks for the same page every few seconds and changes what differs, in place,
// so that focus, scroll, selection and whatever was opened stay. Without it, the page has a link to reload.
(() => {
  const every = Number(document.currentScript.dataset.every) * 1000;
  const slowest = 60_000;
  const patience = 15_000;
  let wait = every;
  let timer = 0;
  let asking = false;
  let lastAsked = Date.now();

  const state = (text, tone) => {
    const element = document.getElementById("live-state");
    if (!element) return;
    if (element.textContent !== text) element.textContent = text;
    element.className = tone || "";
  };

  const key = (node) => (node.nodeType === Node.ELEMENT_NODE && node.id) || null;

  function morph(old, fresh) {
    if (old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.isEqualNode(fresh)) return;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    morphChildren(old, [...fresh.childNodes]);
  }

  // Rows have ids: one that is still there stays the same element, wherever others come or go around it.
  function morphChildren(parent, theirs) {
    const wanted = new Set(theirs.map(key).filter(Boolean));
    const keyed = new Map();
    for (const child of [...parent.children]) {
      if (!child.id) continue;
      if (wanted.has(child.id)) keyed.set(child.id, child);
      else child.remove();
    }
    let next = parent.firstChild;
    const drop = () => {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    };
    for (const node of theirs) {
      let mine = keyed.get(key(node)) || null;
      if (mine) {
        while (next && next !== mine && !key(next)) drop();
      } else if (!key(node)) {
        mine = next;
        while (mine && key(mine)) mine = mine.nextSibling;
        if (mine && mine.nodeName !== node.nodeName) mine = null;
      }
      if (!mine) {
        parent.insertBefore(node, next);
        continue;
      }
      if (mine === next) next = next.nextSibling;
      else parent.insertBefore(mine, next);
      morph(mine, node);
    }
    while (next) drop();
  }

  async function ask() {
    if (asking || document.hidden) return;
    asking = true;
    lastAsked = Date.now();
    try {
      const answer = await fetch(location.href, {
        headers: { "X-Live": "1" },
        credentials: "same-origin",
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(patience),
      });
      if (answer.status === 401) {
        state("You are signed out. Reload to sign in again.", "bad");
        wait = 0;
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      if (!document.getElementById("live")) {
        location.reload(); // this page only says what was wrong
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = document.activeElement;
      for (const id of ["live", "live-time"]) morph(document.getElementById(id), fresh.getElementById(id));
      if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
      document.title = fresh.title;
      state("Live", "ok");
      wait = every;
    } catch {
      state("Not live just now; trying again.", "bad");
      wait = Math.min(wait * 2, slowest);
    } finally {
      asking = false;
      plan();
    }
  }

  function plan() {
    clearTimeout(timer);
    if (wait && !document.hidden) timer = setTimeout(ask, Math.max(0, lastAsked + wait - Date.now()));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else plan();
  });
  state("Live", "ok");
  plan();
})();
