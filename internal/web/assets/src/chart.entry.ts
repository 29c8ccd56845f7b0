// Charts: <div class="chart" data-chart="ID"> beside <script type="application/json" id="ID"> with an ECharts option.
// The page also carries the same figures as a table.
import * as echarts from "echarts/core";
import { BarChart, GraphChart, HeatmapChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent, TooltipComponent, VisualMapComponent, DataZoomComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([BarChart, GraphChart, HeatmapChart, LineChart, GridComponent, LegendComponent, TitleComponent, TooltipComponent, VisualMapComponent, DataZoomComponent, CanvasRenderer]);

for (const element of document.querySelectorAll<HTMLElement>("[data-chart]")) {
  const source = document.getElementById(element.dataset.chart!);
  if (!source) continue;
  const style = getComputedStyle(document.documentElement);
  const chart = echarts.init(element, undefined, { renderer: "canvas" });
  chart.setOption({ textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: style.getPropertyValue("--text") }, animation: false, ...JSON.parse(source.textContent!) });
  chart.on("click", (event) => {
    const href = (event.data as { href?: string } | undefined)?.href;
    if (href) location.assign(href);
  });
  new ResizeObserver(() => chart.resize()).observe(element);
}
