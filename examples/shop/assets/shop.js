// The pages work without this file. It keeps the cart count true where the browser shows a page it
// already has: after the back button, and in a tab that was in the background while another one bought.
(() => {
  const show = (count) => {
    document.body.dataset.cart = String(count);
    for (const el of document.querySelectorAll("[data-cart-count]")) el.textContent = String(count);
  };
  const refresh = async () => {
    try {
      const answer = await fetch("/api/me", { headers: { Accept: "application/json" } });
      if (answer.ok) show((await answer.json()).cart_count);
    } catch {
      // Offline: the count on the page stays.
    }
  };
  addEventListener("pageshow", (event) => {
    const [entry] = performance.getEntriesByType("navigation");
    if (event.persisted || entry?.type === "back_forward") refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") refresh();
  });
})();
