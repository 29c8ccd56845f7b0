package policy

import (
	"net/url"
	"slices"
)

// heatMap is the option of ECharts that draws the sharing map: databases
// across, agencies down, a cell's colour its state. It holds no function, as
// the Content-Security-Policy lets no script stand in the page.
type heatMap struct {
	Tooltip   map[string]any   `json:"tooltip"`
	Grid      map[string]any   `json:"grid"`
	XAxis     axis             `json:"xAxis"`
	YAxis     axis             `json:"yAxis"`
	VisualMap map[string]any   `json:"visualMap"`
	Series    []map[string]any `json:"series"`
}

type axis struct {
	Type      string         `json:"type"`
	Data      []string       `json:"data"`
	Position  string         `json:"position,omitempty"`
	Inverse   bool           `json:"inverse,omitempty"`
	AxisLabel map[string]any `json:"axisLabel"`
	SplitArea map[string]any `json:"splitArea,omitempty"`
}

type heatCell struct {
	Name  string `json:"name"`
	Value [3]int `json:"value"`
	Href  string `json:"href"`
}

// Height of the chart: a row for each agency and room for the names above.
const (
	chartRow  = 20
	chartHead = 290
)

func chartHeight(agencies int) int { return chartHead + chartRow*agencies }

// colour of a state: middle tones that stand on light and on dark.
func colour(state string) string {
	switch state {
	case CellOwner:
		return "#3b7dd8"
	case CellShared:
		return "#2e9e54"
	case CellProposed:
		return "#e0b23c"
	case CellExpired:
		return "#c77d28"
	case CellSuspended:
		return "#c0392b"
	}
	return "#9aa3b533"
}

func (p *pages) chart(m *Map, lang string) heatMap {
	names := m.names(lang)
	var columns, rows []string
	column, row := map[string]int{}, map[string]int{}
	for i := range m.Datasets {
		column[m.Datasets[i].ID] = i
		columns = append(columns, p.short(lang, m.Datasets[i].Title(lang)))
	}
	for i := range m.Agencies {
		row[m.Agencies[i].ID] = i
		rows = append(rows, m.Agencies[i].Title(lang))
	}
	cells := make([]heatCell, 0, len(m.Cells))
	for _, cell := range m.Cells {
		cells = append(cells, heatCell{
			Name:  names[cell.Agency] + " × " + names["/"+cell.Dataset] + ": " + p.site.T(lang, "sharing.state."+cell.State),
			Value: [3]int{column[cell.Dataset], row[cell.Agency], slices.Index(states(), cell.State)},
			Href:  "/sharing/cell?agency=" + url.QueryEscape(cell.Agency) + "&dataset=" + url.QueryEscape(cell.Dataset),
		})
	}
	pieces := make([]map[string]any, 0, len(states()))
	for i, state := range states() {
		pieces = append(pieces, map[string]any{"value": i, "label": p.site.T(lang, "sharing.state."+state), "color": colour(state)})
	}
	dim := map[string]any{"color": "#7a8394"}
	return heatMap{
		Tooltip: map[string]any{"formatter": "{b}", "confine": true},
		Grid:    map[string]any{"left": 28, "right": 24, "top": 60, "bottom": 8, "containLabel": true},
		XAxis:   axis{Type: "category", Data: columns, Position: "top", AxisLabel: map[string]any{"rotate": 60, "interval": 0, "fontSize": 11, "color": "#7a8394", "width": 170, "overflow": "truncate"}},
		YAxis:   axis{Type: "category", Data: rows, Inverse: true, AxisLabel: map[string]any{"interval": 0, "fontSize": 11, "color": "#7a8394", "width": 200, "overflow": "truncate"}},
		VisualMap: map[string]any{
			"type": "piecewise", "dimension": 2, "pieces": pieces, "orient": "horizontal", "left": 0, "top": 0, "itemGap": 14, "textStyle": dim,
		},
		Series: []map[string]any{{
			"type": "heatmap", "data": cells, "itemStyle": map[string]any{"borderColor": "#9aa3b544", "borderWidth": 1}, "emphasis": map[string]any{"itemStyle": map[string]any{"borderColor": "#0b57b7", "borderWidth": 2}},
		}},
	}
}

// short drops the words that begin every database's name, which the axis does
// not need.
func (p *pages) short(lang, name string) string {
	prefix := p.site.T(lang, "sharing.dataset.prefix")
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return name[len(prefix):]
	}
	return name
}
