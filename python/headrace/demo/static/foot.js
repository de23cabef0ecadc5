// What the foot of a page says of its source was true when the page was made. Where the edge has kept the page since,
// only its head tells, and a script can't see the head that came with the page: it asks for it once more.
const foot = document.querySelector(".kept");
const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload"; // past the edge
if (foot && !reloaded) {
  const answer = await fetch(location.href, { method: "HEAD" });
  await answer.text(); // else the browser takes the request for broken off
  const age = Number(answer.headers.get("Age"));
  const hit = /;\s*hit/.test(answer.headers.get("Cache-Status") ?? "");
  // Kept before this page was asked for, so it is this page. `Age` may be a second too many.
  if (hit && (age - 1) * 1000 > performance.now()) {
    foot.textContent = `From the edge, kept ${age} s ago`;
    foot.dataset.source = "edge";
    foot.dataset.age = age;
  }
}
