package rules

type Options struct{ Classifications map[string]Classification }
type Engine struct{}
type Context struct{}

func NewEngine(rs []*Rule, o Options) (*Engine, error)    { return nil, errNoValue }
func (e *Engine) NewContext() *Context                    { return nil }
func (e *Engine) Inspect(ctx *Context, in *Input) []Match { return nil }
