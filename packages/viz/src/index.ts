// Every public name of @caddet/viz.
export { type BarChartOptions, type BarSeries, barChart } from "./bar-chart";
export { type DetectionsOptions, detectionsSvg, type TruthBoxes } from "./detections";
export { escapeXml } from "./escape";
export { type HistogramOptions, type HistogramSeries, histogramSvg } from "./histogram";
export { type HistogramRow, type HistogramRowsOptions, histogramRowsSvg } from "./histogram-rows";
export { formatMadds, formatNumber } from "./lettering";
export { type LineChartOptions, type LineSeries, lineChart, type Point } from "./line-chart";
export { type MatrixOptions, matrixSvg } from "./matrix";
export {
  detailsHtml,
  type FigureOptions,
  figureHtml,
  galleryHtml,
  paragraphHtml,
  type TableOptions,
  tableHtml,
} from "./page-parts";
export type { PlotText } from "./plot";
export { type ReportOptions, type ReportSection, reportHtml } from "./report";
export { type RouteOptions, type RoutePathKind, type RouteSpace, routeLegendSvg, routeSvg } from "./route";
export { type UsageOptions, usageSvg } from "./usage";
