// Shows which version answers, so that a switch can be watched.
const live = document.getElementById("live");
setInterval(async () => {
  try {
    const answer = await fetch("/version", { cache: "no-store" });
    live.textContent = (await answer.json()).version;
  } catch (error) {
    live.textContent = String(error);
  }
}, 1000);
