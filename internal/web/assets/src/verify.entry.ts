// The page on which anyone checks a document: the file is drawn here, in the reader's browser, and each signature is marked
// on the page with its verdict. The server answers with the same fragment that the plain form shows.
import { compare } from "./compare";
import { showPages } from "./pdf";

const form = document.querySelector<HTMLFormElement>("[data-verify-form]");

if (form) {
  const file = form.querySelector<HTMLInputElement>("input[type=file]")!;
  const result = document.getElementById("verify-result")!;
  const pages = document.getElementById("verify-pages")!;
  const busy = form.querySelector<HTMLElement>("[data-busy]")!;
  form.querySelector<HTMLElement>("[data-plain-submit]")!.hidden = true;

  // mark draws the file and lays each signature's verdict over its place.
  const mark = async (chosen: File, current: () => boolean) => {
    const drawn = await showPages(await chosen.arrayBuffer(), pages);
    if (!current()) return;
    for (const seen of result.querySelectorAll<HTMLElement>("[data-mark-page]")) {
      const on = drawn[Number(seen.dataset.markPage) - 1];
      if (!on) continue;
      const [x1, y1, x2, y2] = on.viewport.convertToViewportRectangle(seen.dataset.markRect!.split(",").map(Number));
      const [w, h] = [on.viewport.width, on.viewport.height];
      const mark = document.createElement("a");
      mark.className = `mark ${seen.dataset.markTone}`;
      mark.href = `#${seen.dataset.markOf}`;
      mark.title = seen.dataset.markLabel ?? "";
      mark.setAttribute("aria-label", seen.dataset.markLabel ?? "");
      const percent = (v: number, of: number) => `${(v / of) * 100}%`;
      Object.assign(mark.style, {
        left: percent(Math.min(x1, x2), w), top: percent(Math.min(y1, y2), h), width: percent(Math.abs(x2 - x1), w), height: percent(Math.abs(y2 - y1), h),
      });
      on.element.append(mark);
    }
  };

  let turn = 0; // what comes back for a file that is no longer the chosen one is dropped
  const run = async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    const mine = ++turn;
    busy.hidden = false;
    result.replaceChildren();
    pages.replaceChildren();
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "X-Fragment": "1" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== turn) return;
      result.replaceChildren(...(page.getElementById("verify-result") ?? page.getElementById("main") ?? page.body).childNodes);
    } catch {
      if (mine === turn) result.textContent = form.dataset.failed ?? "";
      return;
    } finally {
      if (mine === turn) busy.hidden = true;
    }
    // A file that the server could not read is not drawn either.
    if (!result.querySelector("[data-verdict]")) return;
    const plain = () => mark(chosen, () => mine === turn);
    for (const button of result.querySelectorAll<HTMLButtonElement>("[data-compare]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        for (const other of result.querySelectorAll("[data-compare]")) other.setAttribute("aria-pressed", String(on && other === button));
        const shown = on ? compare(chosen, Number(button.dataset.compare), pages, form.dataset as never) : plain();
        shown.catch(() => (pages.textContent = form.dataset.undrawn ?? ""));
      });
    }
    await plain().catch(() => {
      if (mine === turn) pages.textContent = form.dataset.undrawn ?? "";
    });
  };
  file.addEventListener("change", run);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) return; // a report, which the browser saves
    event.preventDefault();
    void run();
  });
}
