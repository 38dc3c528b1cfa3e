package measure_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

func TestSeries(t *testing.T) {
	s := measure.Series{30, 10, 20}
	if s.Median() != 20 || s.Spread() != 0.5 {
		t.Errorf("median %v, spread %v", s.Median(), s.Spread())
	}
	if even := (measure.Series{1, 2, 3, 10}); even.Median() != 2.5 {
		t.Errorf("of an even number the median is %v, want the mean of the middle two", even.Median())
	}
	t.Run("ratios are taken round by round", func(t *testing.T) {
		// The machine was half as fast in the second round; the ratio is the same.
		if r := (measure.Series{90, 45}).Over(measure.Series{100, 50}); r.Median() != 0.9 || r.Spread() != 0 {
			t.Errorf("got %v", r)
		}
	})
	t.Run("nothing measured is zero", func(t *testing.T) {
		var none measure.Series
		if none.Median() != 0 || none.Spread() != 0 || len(s.Over(none)) != 0 {
			t.Error("not zero")
		}
	})
}

func TestHistogram_Quantile(t *testing.T) {
	var h, other measure.Histogram
	for i := range 1000 {
		if i%2 == 0 {
			h.Record(time.Duration(i+1) * time.Microsecond)
		} else {
			other.Record(time.Duration(i+1) * time.Microsecond)
		}
	}
	h.Add(&other)
	if h.Count() != 1000 {
		t.Fatalf("counted %d", h.Count())
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 500, 0.99: 990, 1: 1000} {
		got := float64(h.Quantile(q)) / 1000
		if math.Abs(got-want) > 1+want*0.016 {
			t.Errorf("quantile %v is %v µs, want %v", q, got, want)
		}
	}
	t.Run("the longest and the shortest have their bucket", func(t *testing.T) {
		var h measure.Histogram
		h.Record(math.MaxInt64)
		if got := h.Quantile(1); got < math.MaxInt64/65*64 {
			t.Errorf("got %v", got)
		}
		h = measure.Histogram{}
		h.Record(-1)
		if got := h.Quantile(0.5); got != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table := measure.Table{Head: []string{"case", "requests/s"}}
	table.Row("plain", measure.Number(1234567))
	table.Write(&b)
	const want = "| case  | requests/s |\n| ----- | ---------: |\n| plain |  1,234,567 |\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if got := measure.Number(-1000) + measure.Number(999) + measure.Number(-0.2); got != "-1,0009990" {
		t.Errorf("got %q", got)
	}
}

func TestMachine(t *testing.T) {
	if m := measure.Machine(); !strings.Contains(m, "go1.") {
		t.Errorf("the machine is described as %q, without its Go version", m)
	}
	if d, err := measure.SyncTime(t.TempDir()); err != nil || d <= 0 {
		t.Errorf("a sync takes %v, %v", d, err)
	}
}
