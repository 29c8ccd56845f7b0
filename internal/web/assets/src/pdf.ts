// Draws the pages of a PDF with pdf.js, each on a canvas inside a .page that marks can be laid over.
import * as pdfjs from "pdfjs-dist";

pdfjs.GlobalWorkerOptions.workerSrc = "/assets/pdf.worker.js";

export interface Page { element: HTMLElement; widthPt: number; heightPt: number; viewport: pdfjs.PageViewport }

/** drawPages fills `into` with the document's pages, at most `limit` of them. */
export async function drawPages(data: ArrayBuffer, into: HTMLElement, limit = 50): Promise<Page[]> {
  const doc = await pdfjs.getDocument({ data, isEvalSupported: false, enableXfa: false }).promise;
  const pages: Page[] = [];
  into.replaceChildren();
  for (let n = 1; n <= Math.min(doc.numPages, limit); n++) {
    const page = await doc.getPage(n);
    const plain = page.getViewport({ scale: 1 });
    const viewport = page.getViewport({ scale: Math.min(2, devicePixelRatio) * Math.max(into.clientWidth, 320) / plain.width });
    const element = document.createElement("div");
    element.className = "page";
    element.dataset.page = String(n);
    const canvas = document.createElement("canvas");
    canvas.width = viewport.width;
    canvas.height = viewport.height;
    element.append(canvas);
    into.append(element);
    await page.render({ canvasContext: canvas.getContext("2d")!, viewport, annotationMode: pdfjs.AnnotationMode.ENABLE }).promise;
    pages.push({ element, widthPt: plain.width, heightPt: plain.height, viewport: plain });
  }
  return pages;
}
