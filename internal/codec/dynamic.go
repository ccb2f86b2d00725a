package codec

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What an any holds travels with its type, unless that is one that the bare encoding is taken for: nil, bool, int,
// float64, string, time.Time, and []byte, []any and map[any]any that are not nil. Any other value is
//
//	tag typedTag, [type, value]
//
// where the type is written as Go has it, with the names under which named types are registered: "[]uint16",
// "map[string]main.Job". So the receiver makes no type that its own program has not named, but for those made of them.

// typedTag is the tag of a value with its type; RFC 8949 leaves it free.
const typedTag = 0x6b69

// Limits of what bytes may have the receiver make.
const (
	maxTyped     = 64   // values with a type within each other
	maxTypeText  = 4096 // bytes of a type's text
	maxTypeParts = 16   // types within a type
	maxTypes     = 4096 // different texts that are kept; what comes behind them is refused
	maxArray     = 1024 // bytes of an array, which takes as many whatever was sent
)

// A registration is a type that an any may hold.
type registration struct {
	typ   reflect.Type
	where string
}

// registry only records: see Register.
var registry = struct {
	sync.RWMutex
	byName map[string]registration
	names  map[reflect.Type]string
}{byName: map[string]registration{}, names: map[reflect.Type]string{}}

// basics are the types that every program has.
var basics = func() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](),
		reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
		reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		timeType, bigIntType, reflect.TypeFor[time.Duration](), reflect.TypeFor[time.Month](), reflect.TypeFor[time.Weekday](),
		reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[url.URL](),
		reflect.TypeFor[struct{}](),
	} {
		all[t.String()] = t
	}
	all["any"] = anyType
	return all
}()

var anyType = reflect.TypeFor[any]()

// Register lets values of type t, which is no pointer, travel in an any. Both sides do it. It panics if another type has
// the same name: its package's path, and its own.
func Register(t reflect.Type) {
	where := "an unknown place"
	if _, file, line, ok := runtime.Caller(2); ok {
		where = fmt.Sprintf("%s:%d", file, line)
	}
	for t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	name := t.String()
	if t.PkgPath() != "" {
		name = t.PkgPath() + "." + t.Name()
	}
	registry.Lock()
	defer registry.Unlock()
	if other, ok := registry.byName[name]; ok && other.typ != t {
		panic(fmt.Sprintf("codec: the type %s at %s: the name is taken by another at %s", name, where, other.where))
	}
	registry.byName[name] = registration{t, where}
	registry.names[t] = name
}

// texts and types keep what textOf and typeOf have found.
var (
	texts sync.Map // of reflect.Type to string
	types sync.Map // of string to reflect.Type
	kept  atomic.Int64
)

// textOf is how a type is written, and the part of it, if there is one, that is not registered.
func textOf(t reflect.Type) (text string, unknown reflect.Type) {
	if text, ok := texts.Load(t); ok {
		return text.(string), nil
	}
	text, unknown = writeType(t, 0)
	if unknown == nil {
		texts.Store(t, text)
	}
	return text, unknown
}

func writeType(t reflect.Type, parts int) (string, reflect.Type) {
	if parts == maxTypeParts {
		return "", t
	}
	if name := t.String(); basics[name] == t {
		return name, nil
	}
	registry.RLock()
	name, ok := registry.names[t]
	registry.RUnlock()
	if ok {
		return strconv.Quote(name), nil
	}
	if t.Name() != "" && t != anyType {
		return "", t
	}
	before := ""
	switch t.Kind() {
	case reflect.Interface:
		if t == anyType {
			return "any", nil
		}
		return "", t
	case reflect.Pointer:
		before = "*"
	case reflect.Slice:
		before = "[]"
	case reflect.Array:
		if t.Size() > maxArray {
			return "", t
		}
		before = "[" + strconv.Itoa(t.Len()) + "]"
	case reflect.Map:
		key, unknown := writeType(t.Key(), parts+1)
		if unknown != nil {
			return "", unknown
		}
		before = "map[" + key + "]"
	default:
		return "", t
	}
	rest, unknown := writeType(t.Elem(), parts+1)
	return before + rest, unknown
}

// typeOf is the type that a text names.
func typeOf(text string) (reflect.Type, error) {
	if t, ok := types.Load(text); ok {
		return t.(reflect.Type), nil
	}
	if len(text) > maxTypeText {
		return nil, fmt.Errorf("a type of %d bytes", len(text))
	}
	if kept.Load() >= maxTypes {
		return nil, fmt.Errorf("more than %d types", maxTypes)
	}
	t, rest, err := readType(text, 0)
	if err == nil && rest != "" {
		err = fmt.Errorf("the type %q, and more", text[:len(text)-len(rest)])
	}
	if err == nil {
		err = checkType(t)
	}
	if err != nil {
		return nil, err
	}
	if _, met := types.LoadOrStore(text, t); !met {
		kept.Add(1)
	}
	return t, nil
}

// checkType refuses what no Append can have sent.
func checkType(t reflect.Type) error {
	if s := shapeOf(t); s.fault != nil {
		return s.fault.err(rootName(t))
	}
	return nil
}

// readType reads the type that text begins with.
func readType(text string, parts int) (t reflect.Type, rest string, err error) {
	bad := fmt.Errorf("no type: %.100q", text)
	if parts == maxTypeParts || text == "" {
		return nil, "", bad
	}
	switch {
	case text[0] == '"':
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, "", bad
		}
		name, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, "", bad
		}
		registry.RLock()
		r, ok := registry.byName[name]
		registry.RUnlock()
		if !ok {
			return nil, "", fmt.Errorf("the type %.200s, which is not registered here", name)
		}
		return r.typ, text[len(quoted):], nil
	case text[0] == '*':
		if t, rest, err = readType(text[1:], parts+1); err == nil {
			t = reflect.PointerTo(t)
		}
		return t, rest, err
	case strings.HasPrefix(text, "[]"):
		if t, rest, err = readType(text[2:], parts+1); err == nil {
			t = reflect.SliceOf(t)
		}
		return t, rest, err
	case text[0] == '[':
		digits, rest, ok := strings.Cut(text[1:], "]")
		n, err := strconv.ParseUint(digits, 10, 16)
		if !ok || err != nil {
			return nil, "", bad
		}
		if t, rest, err = readType(rest, parts+1); err != nil {
			return nil, "", err
		}
		if t.Size() > 0 && n > uint64(maxArray/t.Size()) || t.Size() == 0 && n > maxArray {
			return nil, "", fmt.Errorf("an array of %d %v", n, t)
		}
		return reflect.ArrayOf(int(n), t), rest, nil
	case strings.HasPrefix(text, "map["):
		key, rest, err := readType(text[4:], parts+1)
		if err != nil || rest == "" || rest[0] != ']' || !key.Comparable() {
			return nil, "", bad
		}
		if t, rest, err = readType(rest[1:], parts+1); err == nil {
			t = reflect.MapOf(key, t)
		}
		return t, rest, err
	}
	end := strings.IndexByte(text, ']')
	if end < 0 {
		end = len(text)
	}
	if t, ok := basics[text[:end]]; ok {
		return t, text[end:], nil
	}
	return nil, "", bad
}

// bare reports whether an any arrives with the type that v, which it holds, has, if that is not sent. What v itself holds
// does not matter.
func bare(v reflect.Value) bool {
	switch t := v.Type(); t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64, reflect.String:
		return t.PkgPath() == ""
	case reflect.Slice:
		return t.Name() == "" && !v.IsNil() && (t.Elem() == anyType || t.Elem() == byteType)
	case reflect.Map:
		return t.Name() == "" && !v.IsNil() && t.Elem() == anyType && t.Key() == anyType
	case reflect.Struct:
		return t == timeType
	}
	return false
}

var byteType = reflect.TypeFor[byte]()

// typed is an encoded value with its type, in the place of an any. It may be a map's key.
type typed string

// typedOf is v with its type; v is dressed.
func typedOf(v reflect.Value) (typed, error) {
	text, unknown := textOf(v.Type())
	if unknown != nil {
		return "", fmt.Errorf("%v: %s", unknown, whyUnknown)
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	value, err := encoder().Marshal(p.Interface())
	if err != nil {
		return "", err
	}
	name, err := encoder().Marshal(text)
	if err != nil {
		return "", err
	}
	b := append(make([]byte, 0, 4+len(name)+len(value)), 0xd9, typedTag>>8, typedTag&0xff, 0x82)
	return typed(append(append(b, name...), value...)), nil
}

// MarshalCBOR returns what typedOf made.
func (t typed) MarshalCBOR() ([]byte, error) { return []byte(t), nil }

// UnmarshalCBOR takes what is there: undress looks at it.
func (t *typed) UnmarshalCBOR(b []byte) error {
	*t = typed(b)
	return nil
}

// parts are the type and the encoded value.
func (t typed) parts() (reflect.Type, []byte, error) {
	b := []byte(t)
	if len(b) < 4 || b[0] != 0xd9 || binary.BigEndian.Uint16(b[1:]) != typedTag || b[3] != 0x82 {
		return nil, nil, fmt.Errorf("no type and value")
	}
	var text string
	value, err := strictDecoder().UnmarshalFirst(b[4:], &text)
	if err != nil {
		return nil, nil, err
	}
	typ, err := typeOf(text)
	return typ, value, err
}

// dress gives every any in v that needs it a typed value. v is a copy, of which nothing but itself may be written to.
func dress(v reflect.Value) error {
	if s := shapeOf(v.Type()); !s.open {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return dressAny(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(v.Elem())
		if err := dress(p.Elem()); err != nil {
			return err
		}
		v.Set(p.Convert(v.Type()))
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		return dressAll(v)
	case reflect.Array:
		return dressAll(v)
	case reflect.Struct:
		for _, i := range shapeOf(v.Type()).fields {
			if err := dress(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		return eachPair(v, dress)
	}
	return nil
}

func dressAll(v reflect.Value) error {
	for i := range v.Len() {
		if err := dress(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// dressAny is dress of an any.
func dressAny(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	held := reflect.New(v.Elem().Type()).Elem()
	held.Set(v.Elem())
	if err := dress(held); err != nil {
		return err
	}
	if !bare(held) {
		t, err := typedOf(held)
		if err != nil {
			return err
		}
		held = reflect.ValueOf(t)
	}
	v.Set(held)
	return nil
}

// eachPair makes v, a map, another one, of the same pairs, which change has seen to.
func eachPair(v reflect.Value, change func(reflect.Value) error) error {
	if v.IsNil() {
		return nil
	}
	c := reflect.MakeMapWithSize(v.Type(), v.Len())
	for i := v.MapRange(); i.Next(); {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.Set(i.Key())
		value.Set(i.Value())
		if err := change(key); err != nil {
			return err
		}
		if err := change(value); err != nil {
			return err
		}
		if !key.Comparable() || c.MapIndex(key).IsValid() {
			return fmt.Errorf("a key of type %v that is none, or comes twice", key.Type())
		}
		c.SetMapIndex(key, value)
	}
	v.Set(c)
	return nil
}

// An undressing makes of what the decoder made what was sent: of typed values those that they are, and of handles
// working ones, in the segments of this process, with home first.
type undressing struct {
	home any
	deep int
}

func (u *undressing) undress(v reflect.Value) error {
	s := shapeOf(v.Type())
	if !s.open && !s.handles {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return u.undressAny(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if isHandle(v.Type().Elem()) {
			return resolve(v, u.home)
		}
		return u.undress(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := u.undress(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for _, i := range s.fields {
			if err := u.undress(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		return eachPair(v, u.undress)
	}
	return nil
}

// undressAny is undress of an any.
func (u *undressing) undressAny(v reflect.Value) error {
	switch held := v.Interface().(type) {
	case nil, bool, float64, string, []byte, time.Time:
	case int64:
		if int64(int(held)) != held {
			return fmt.Errorf("the int %d on a machine with 32 bits", held)
		}
		v.Set(reflect.ValueOf(int(held)))
	case []any:
		return u.undress(v.Elem())
	case map[any]any:
		c := reflect.ValueOf(&held).Elem()
		if err := eachPair(c, u.undress); err != nil {
			return err
		}
		v.Set(c)
	case typed:
		if u.deep == maxTyped {
			return fmt.Errorf("more than %d values with types in each other", maxTyped)
		}
		t, b, err := held.parts()
		if err != nil {
			return err
		}
		p := reflect.New(t)
		if err := decoder().Unmarshal(b, p.Interface()); err != nil {
			return err
		}
		u.deep++
		err = u.undress(p.Elem())
		u.deep--
		if err != nil {
			return err
		}
		if t.Kind() == reflect.Interface || bare(p.Elem()) {
			return fmt.Errorf("a %v with its type", t)
		}
		v.Set(p.Elem())
	case *big.Int:
		return fmt.Errorf("an int of %d bits", held.BitLen())
	default:
		return fmt.Errorf("a %T, which nobody has sent", held)
	}
	return nil
}
