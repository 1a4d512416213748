using Kvasir.Server.OpenAi;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Routes;

/// <summary>Routes for people and their boards, who look on.</summary>
internal sealed class ViewRoutes(MetricsRoute metrics, PropsRoute props, SlotsRoute slots, EventsRoute events, IOptions<KvasirOptions> options)
{
    public void Map(RouteTable routes)
    {
        if (options.Value.MetricsOpen)
            routes.GetOpen(OpenAiErrors.Shape, metrics.ShowAsync, "/metrics");
        else
            routes.Get(OpenAiErrors.Shape, metrics.ShowAsync, "/metrics");
        routes.Get(OpenAiErrors.Shape, props.ShowAsync, "/props");
        routes.Get(OpenAiErrors.Shape, slots.ListAsync, "/slots");
        routes.Get(OpenAiErrors.Shape, events.StreamAsync, "/kvasir/events");
    }
}
