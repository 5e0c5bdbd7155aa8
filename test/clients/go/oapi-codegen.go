package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"clients/zeekcluster"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func lines(_ context.Context, request *http.Request) error {
	request.Header.Set("Accept", "application/x-ndjson")
	return nil
}

func main() {
	ctx := context.Background()
	client := must(zeekcluster.NewClientWithResponses("http://127.0.0.1:2149"))
	wait, eth := "wait=30", "lo"

	config := zeekcluster.ClusterConfigurationInput{
		Instances: []zeekcluster.InstanceInput{{Name: "agent-1"}},
		Nodes: []zeekcluster.ClusterNodeInput{
			{Name: "manager", Instance: "agent-1", Role: zeekcluster.MANAGER},
			{Name: "logger-1", Instance: "agent-1", Role: zeekcluster.LOGGER},
			{Name: "worker-1", Instance: "agent-1", Role: zeekcluster.WORKER, Interface: &eth},
		},
	}
	staged := must(client.RequestStageConfigurationWithResponse(ctx,
		&zeekcluster.RequestStageConfigurationParams{Prefer: &wait},
		zeekcluster.StageConfigurationArguments{Config: config})).JSON200
	fmt.Println(staged.Type, staged.State)
	deployed := must(client.RequestDeployWithResponse(ctx, &zeekcluster.RequestDeployParams{Prefer: &wait},
		zeekcluster.DeployArguments{})).JSON200
	fmt.Println(deployed.Type, deployed.State)

	roles := []zeekcluster.ClusterRole{zeekcluster.MANAGER, zeekcluster.LOGGER, zeekcluster.WORKER}
	list := must(client.ListNodesWithResponse(ctx, &zeekcluster.ListNodesParams{Role: &roles}))
	for _, node := range list.JSON200.Nodes {
		fmt.Println(node.Node, node.State)
	}

	restart := must(client.RequestRestartWithResponse(ctx, nil,
		zeekcluster.RestartArguments{Nodes: &[]string{"worker-1"}})).JSON202
	stream := must(client.StreamRequestEvents(ctx, restart.Reqid, nil, lines))
	for decoder := json.NewDecoder(stream.Body); ; {
		var event zeekcluster.ClusterEvent
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			panic(err)
		}
		switch kind := must(event.Discriminator()); kind {
		case "restart_request":
			fmt.Println(kind, must(event.AsRequestEvent()).Reqid == restart.Reqid)
		case "restart_response":
			fmt.Println(kind, must(event.AsResponseEvent()).Reqid == restart.Reqid)
		}
	}
	seconds := float32(30)
	finished := must(client.GetRequestWithResponse(ctx, restart.Reqid, &zeekcluster.GetRequestParams{Wait: &seconds})).JSON200
	fmt.Println(finished.Type, finished.State)

	missing := must(client.GetRequestWithResponse(ctx, "nope", nil)).ApplicationproblemJSONDefault
	fmt.Println(missing.Status, missing.Code)
	nope := "nope"
	wrong := must(client.ListRequestsWithResponse(ctx, &zeekcluster.ListRequestsParams{After: &nope})).ApplicationproblemJSONDefault
	fmt.Println(wrong.Status, wrong.Code, (*wrong.Errors)[0].Field)

	var after *string
	limit := 1
	for range 3 {
		page := must(client.ListRequestsWithResponse(ctx, &zeekcluster.ListRequestsParams{Limit: &limit, After: after})).JSON200
		for _, request := range page.Requests {
			fmt.Println("page", request.Type)
		}
		after = page.Next
	}
}
