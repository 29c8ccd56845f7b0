// Shows what was signed beside what the file is now, page by page, and frames what looks different. The signed revision is
// the file's own beginning, so nothing is asked of the server.
import { showPages, type Page } from "./pdf";

interface Words { then: string; now: string; added: string; same: string; differ: string }

// Two drawings of the same page differ in nothing; a fainter difference than this is nobody's.
const faint = 24;

function column(title: string, into: HTMLElement): HTMLElement {
  const part = document.createElement("section");
  const head = document.createElement("h2");
  head.textContent = title;
  const pages = document.createElement("div");
  pages.className = "pages";
  part.append(head, pages);
  into.append(part);
  return pages;
}

const drawn = (page: Page) => new Promise<HTMLCanvasElement>((done) => {
  const canvas = () => done(page.element.querySelector("canvas")!);
  if (page.element.dataset.drawn !== undefined) canvas();
  else page.element.addEventListener("drawn", canvas, { once: true });
});

/** difference is the frame around all pixels that differ, in parts of the page; nothing when none does. */
function difference(a: HTMLCanvasElement, b: HTMLCanvasElement): { x: number; y: number; w: number; h: number } | undefined {
  const [w, h] = [Math.min(a.width, b.width), Math.min(a.height, b.height)];
  const [p, q] = [a, b].map((c) => c.getContext("2d")!.getImageData(0, 0, w, h).data);
  let [x1, y1, x2, y2] = [w, h, -1, -1];
  for (let i = 0; i < p.length; i += 4) {
    if (Math.abs(p[i] - q[i]) + Math.abs(p[i + 1] - q[i + 1]) + Math.abs(p[i + 2] - q[i + 2]) < faint) continue;
    const [x, y] = [(i / 4) % w, Math.floor(i / 4 / w)];
    [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x), Math.max(y2, y)];
  }
  return x2 < 0 ? undefined : { x: x1 / w, y: y1 / h, w: (x2 - x1 + 1) / w, h: (y2 - y1 + 1) / h };
}

/** compare fills `into` with both versions; it says data-compared when every page was looked at. */
export async function compare(file: File, signed: number, into: HTMLElement, words: Words) {
  const said = document.createElement("p");
  said.setAttribute("role", "status");
  const both = document.createElement("div");
  both.className = "compare";
  into.replaceChildren(said, both);
  const left = column(words.then, both);
  const right = column(words.now, both);
  const [before, after] = await Promise.all([
    file.slice(0, signed).arrayBuffer().then((data) => showPages(data, left, true)),
    file.arrayBuffer().then((data) => showPages(data, right, true)),
  ]);
  const changed: number[] = [];
  for (let n = 0; n < Math.max(before.length, after.length); n++) {
    if (!before[n] || !after[n]) {
      changed.push(n + 1);
      (before[n] ?? after[n]).element.classList.add("differs");
      continue;
    }
    const found = difference(await drawn(before[n]), await drawn(after[n]));
    if (!found) continue;
    changed.push(n + 1);
    const frame = document.createElement("div");
    frame.className = "mark warn added";
    frame.setAttribute("role", "img");
    frame.setAttribute("aria-label", words.added);
    frame.title = words.added;
    const percent = (v: number) => `${v * 100}%`;
    Object.assign(frame.style, { left: percent(found.x), top: percent(found.y), width: percent(found.w), height: percent(found.h) });
    after[n].element.append(frame);
  }
  said.textContent = changed.length ? words.differ + changed.join(", ") : words.same;
  both.dataset.compared = "";
  both.querySelector(".added, .differs")?.scrollIntoView({ block: "center" });
}
