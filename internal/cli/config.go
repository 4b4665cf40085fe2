package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A configuration is one struct per role, see settings.go. Its tags are the
// only description there is: the loader below, the sample that `koyomi config`
// prints and docs/config.md all read them.
//
//	yaml     the key
//	help     what it means, in a sentence without a full stop
//	default  the value where the file says nothing
//	example  the value in the sample where there is no default
//	allowed  the only values, separated by spaces
//
// A value comes from the flag --set, else from the environment, else from the
// file, else from the default.

// configError is a mistake in a configuration: where, and what to write
// instead.
type configError struct {
	Where string // file and line, variable or flag
	Text  string
}

// Error returns place and sentence.
func (e *configError) Error() string { return e.Where + ": " + e.Text }

const maxConfig = 16 << 20 // 100,000 mailboxes fit

// loadConfig fills the struct that into points to from defaults, the file (none
// if empty), the environment and the settings of the command line
// ("key=value"), in rising order.
func loadConfig(into any, file string, getenv func(string) string, set []string) error {
	root := reflect.ValueOf(into).Elem()
	if err := setDefaults(root); err != nil {
		return err
	}
	if file != "" {
		if err := loadFile(root, file); err != nil {
			return err
		}
	}
	for _, f := range fieldsOf(root, "") {
		if text := getenv(f.variable()); text != "" {
			if err := f.setText(text); err != nil {
				return &configError{f.variable(), err.Error()}
			}
		}
	}
	for _, s := range set {
		if err := setFlag(root, s); err != nil {
			return err
		}
	}
	return nil
}

func loadFile(root reflect.Value, file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &configError{file, "there is no such configuration file; `koyomi config ROLE` prints one to start from"}
	}
	if err == nil && info.Size() > maxConfig {
		return &configError{file, "the configuration is larger than 16 MB; is it the right file?"}
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return &configError{file, "the configuration cannot be read: " + plain(err)}
	}
	doc, err := parser.ParseBytes(data, 0)
	if err != nil {
		return syntaxError(file, err)
	}
	l := fileLoader{file: file}
	for _, d := range doc.Docs {
		if d.Body == nil {
			continue
		}
		if err := l.value(d.Body, root, "", fieldTags{}); err != nil {
			return err
		}
	}
	return nil
}

// syntaxError turns the parser's many lines into one sentence.
func syntaxError(file string, err error) error {
	text := err.Error()
	var y interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &y) && y.GetToken() != nil {
		return &configError{fmt.Sprintf("%s:%d", file, y.GetToken().Position.Line), "this is not valid YAML: " + y.GetMessage()}
	}
	first, _, _ := strings.Cut(text, "\n")
	return &configError{file, "this is not valid YAML: " + first}
}

// fileLoader walks the parsed file beside the struct.
type fileLoader struct{ file string }

func (l fileLoader) fail(n ast.Node, format string, args ...any) error {
	line := 1
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return &configError{fmt.Sprintf("%s:%d", l.file, line), fmt.Sprintf(format, args...)}
}

func (l fileLoader) value(n ast.Node, into reflect.Value, key string, tags fieldTags) error {
	switch n.(type) {
	case *ast.NullNode:
		return nil // "key:" with nothing behind it keeps the default
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return l.fail(n, "anchors, aliases and tags are not supported: write the value of %s out", orRoot(key))
	}
	switch {
	case into.Kind() == reflect.Struct:
		return l.mapping(n, into, key)
	case into.Kind() == reflect.Slice:
		seq, is := n.(*ast.SequenceNode)
		if !is {
			return l.fail(n, "%s is a list: begin each entry on a line of its own with \"- \"", key)
		}
		into.Set(reflect.MakeSlice(into.Type(), 0, len(seq.Values)))
		for _, item := range seq.Values {
			v := reflect.New(into.Type().Elem()).Elem()
			if err := setDefaults(v); err != nil {
				return err
			}
			if err := l.value(item, v, key, tags); err != nil {
				return err
			}
			into.Set(reflect.Append(into, v))
		}
		return nil
	}
	text, ok := scalar(n, into)
	if !ok {
		return l.fail(n, "%s is %s", key, kindOf(into.Type(), tags))
	}
	if err := setText(into, text, tags); err != nil {
		return l.fail(n, "%s: %v", key, err)
	}
	return nil
}

func (l fileLoader) mapping(n ast.Node, into reflect.Value, key string) error {
	m, is := n.(ast.MapNode)
	if !is {
		return l.fail(n, "%s is a group of keys, one per line: %s", orRoot(key), strings.Join(keysOf(into.Type()), ", "))
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		name := it.Key().GetToken().Value
		i, known := fieldNamed(into.Type(), name)
		if !known {
			return l.fail(it.Key(), "there is no key %q in %s; allowed are %s", name, orRoot(key), strings.Join(keysOf(into.Type()), ", "))
		}
		if seen[name] {
			return l.fail(it.Key(), "%s stands twice", join(key, name))
		}
		seen[name] = true
		if err := l.value(it.Value(), into.Field(i), join(key, name), tagsOf(into.Type().Field(i))); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns the text of a plain value if the file wrote it as the kind of
// value that the field holds: a text that looks like a number needs quotes.
func scalar(n ast.Node, into reflect.Value) (string, bool) {
	var text string
	isText := false
	switch n := n.(type) {
	case *ast.StringNode:
		text, isText = n.Value, true
	case *ast.LiteralNode:
		text, isText = n.Value.Value, true
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode:
		text = n.GetToken().Value
	default:
		return "", false
	}
	switch {
	case into.Type() == durationType, into.Kind() == reflect.Int, into.Kind() == reflect.Bool:
		return text, true // judged by setText, which says what is allowed
	}
	return text, isText
}

// setFlag carries out one --set key=value.
func setFlag(root reflect.Value, s string) error {
	key, text, found := strings.Cut(s, "=")
	if !found {
		return usagef("--set takes key=value, such as --set log.level=debug, not %q", s)
	}
	for _, f := range fieldsOf(root, "") {
		if f.key == key {
			if err := f.setText(text); err != nil {
				return usagef("--set %s: %v", key, err)
			}
			return nil
		}
	}
	return usagef("--set: there is no key %q; see `koyomi config ROLE` for those there are", key)
}

// field is one settable value of a configuration.
type field struct {
	key   string
	value reflect.Value
	tags  fieldTags
}

// variable returns the name of the environment variable for the field.
func (f field) variable() string {
	return "KOYOMI_" + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

func (f field) setText(text string) error { return setText(f.value, text, f.tags) }

// fieldsOf lists the fields that one text can set: no lists of structs.
func fieldsOf(v reflect.Value, prefix string) []field {
	var out []field
	for i := range v.NumField() {
		t := v.Type().Field(i)
		key := join(prefix, tagsOf(t).key)
		switch {
		case t.Type.Kind() == reflect.Struct:
			out = append(out, fieldsOf(v.Field(i), key)...)
		case t.Type.Kind() == reflect.Slice && t.Type.Elem().Kind() == reflect.Struct:
		default:
			out = append(out, field{key, v.Field(i), tagsOf(t)})
		}
	}
	return out
}

type fieldTags struct {
	key, help, def, example string
	allowed                 []string
}

func tagsOf(f reflect.StructField) fieldTags {
	return fieldTags{
		key: f.Tag.Get("yaml"), help: f.Tag.Get("help"), def: f.Tag.Get("default"), example: f.Tag.Get("example"),
		allowed: strings.Fields(f.Tag.Get("allowed")),
	}
}

func setDefaults(v reflect.Value) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		tags := tagsOf(v.Type().Field(i))
		if v.Field(i).Kind() == reflect.Struct {
			if err := setDefaults(v.Field(i)); err != nil {
				return err
			}
		} else if tags.def != "" {
			if err := setText(v.Field(i), tags.def, tags); err != nil {
				return fmt.Errorf("default of %s: %w", tags.key, err)
			}
		}
	}
	return nil
}

var durationType = reflect.TypeFor[time.Duration]()

// setText sets a value from its text; the error says what is allowed.
func setText(v reflect.Value, text string, tags fieldTags) error {
	if len(tags.allowed) > 0 && v.Kind() == reflect.String && !slices.Contains(tags.allowed, text) {
		return fmt.Errorf("%q is not known; allowed are %s", text, strings.Join(tags.allowed, ", "))
	}
	wrong := fmt.Errorf("%q is not %s", text, kindOf(v.Type(), tags))
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return wrong
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return wrong
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return wrong
		}
		v.SetBool(text == "true")
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		var list []string
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		v.Set(reflect.ValueOf(list))
	default:
		return fmt.Errorf("cannot be set by a text")
	}
	return nil
}

// kindOf names what a value has to be.
func kindOf(t reflect.Type, tags fieldTags) string {
	switch {
	case len(tags.allowed) > 0:
		return "one of " + strings.Join(tags.allowed, ", ")
	case t == durationType:
		return "a time such as 3s, 2m or 168h"
	case t.Kind() == reflect.Int:
		return "a whole number, 0 or more"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	}
	return "a text: put it in quotes"
}

func fieldNamed(t reflect.Type, key string) (int, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return i, true
		}
	}
	return 0, false
}

func keysOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("yaml"))
	}
	return out
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

func orRoot(key string) string {
	if key == "" {
		return "the configuration"
	}
	return key
}
