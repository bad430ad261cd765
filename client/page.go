package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// pageSize is the largest page that the API returns.
const pageSize = 250

type page[T any] struct {
	Data []T    `json:"data"`
	Next string `json:"next"` // the cursor of the next page; "" on the last one

	// For people who page back, and for those who search: the pages of a list without filters are full.
	Prev          string `json:"prev"`
	SearchedUntil string `json:"searched_until"`
}

// list iterates over the list at path, page by page. The query selects a part of it.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return listOf[T](ctx, c, call{method: http.MethodGet, path: path}, query)
}

// listOf iterates over the list that a call returns, page by page.
func listOf[T any](ctx context.Context, c *Client, call call, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			p, err := readPage[T](ctx, c, call, query, cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Data {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			cursor = p.Next
		}
	}
}

func readPage[T any](ctx context.Context, c *Client, call call, query url.Values, cursor string) (p page[T], err error) {
	path := call.path
	call.path += fmt.Sprintf("?limit=%d", pageSize)
	if cursor != "" {
		call.path += "&cursor=" + url.QueryEscape(cursor)
	}
	if len(query) > 0 {
		call.path += "&" + query.Encode()
	}
	call.into = &p
	err = c.do(ctx, call)
	if err == nil && p.Next == cursor && cursor != "" {
		err = fmt.Errorf("the list at %s has a page whose next page is itself", path)
	}
	return p, err
}

// failed is a list that has only an error.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

// queryOf returns the query of pairs of a name and a value, without those that are empty.
func queryOf(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
