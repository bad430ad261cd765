package client

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The client has exactly the fields of the API's document.
func TestFieldsAreThoseOfTheAPI(t *testing.T) {
	schemas := readSchemas(t)
	for schema, value := range map[string]any{
		"Subscription": Subscription{}, "SubscriptionCreateInput": SubscriptionInput{},
		"SubscriptionList": page[Subscription]{},
		"Delivery":         Delivery{}, "Attempt": Attempt{}, "AttemptEntry": AttemptEntry{}, "Phases": Phases{},
		"Health": Health{}, "Component": Component{}, "Queue": Queue{}, "QueueCounts": QueueCounts{}, "FieldProblem": FieldProblem{},
		"Published": Published{}, "BatchResult": BatchResult{}, "Match": Match{}, "Meta": Meta{}, "MetaLimits": MetaLimits{},
		"Tenant": Tenant{}, "TenantList": page[Tenant]{}, "TenantInput": TenantInput{}, "TenantLimits": TenantLimits{}, "TenantLimitsInput": TenantLimits{},
		"EventType": EventType{}, "Key": Key{}, "KeyInput": KeyInput{},
		"PublishInput": struct {
			publication
			Data any `json:"data"` // body adds it
		}{},
		"EventTypeInput": struct {
			EventTypeInput
			Name string `json:"name"` // the path has it
		}{},
	} {
		want := schemas[schema].settable()
		got := jsonNames(reflect.TypeOf(value))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the client has the fields\n%v\nand the API\n%v", schema, got, want)
		}
	}
	// Receipt combines Accepted and Filtered.
	receipt := jsonNames(reflect.TypeOf(Receipt{}))
	for _, schema := range []string{"Accepted", "Filtered"} {
		for name := range schemas[schema].Properties {
			if !slices.Contains(receipt, name) {
				t.Errorf("Receipt lacks %s of %s", name, schema)
			}
		}
	}
}

type schema struct {
	Properties map[string]struct {
		ReadOnly bool `json:"readOnly"`
	} `json:"properties"`
}

// settable returns the names of the fields, without those that the API ignores.
func (s schema) settable() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !s.Properties[name].ReadOnly {
			names = append(names, name)
		}
	}
	return names
}

func readSchemas(t *testing.T) map[string]schema {
	t.Helper()
	text, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document.Components.Schemas
}

func jsonNames(t reflect.Type) (names []string) {
	for field := range t.Fields() {
		if field.Anonymous {
			names = append(names, jsonNames(field.Type)...)
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" { // such a field is of a header
			names = append(names, name)
		}
	}
	return names
}
