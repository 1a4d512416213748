using System.Text.Json;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Security;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Routes;

/// <summary>
/// <c>/kvasir/events</c>: what goes on, four times a second, for people who look on. What counts up never goes down, so that who looks away misses nothing.
/// </summary>
internal sealed class EventsRoute(ServedModels models, SlotsRoute slots, RecentAnswers recent, RequestGate gate, IOptions<KvasirOptions> options,
    TimeProvider clock)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    public async Task StreamAsync(HttpContext context)
    {
        var times = new FrameTimes(clock, TimeSpan.FromSeconds(options.Value.KeepAliveSeconds), TimeSpan.FromSeconds(options.Value.WriteTimeoutSeconds));
        using var frames = new SseFrames(context, times);
        await frames.StartAsync().ConfigureAwait(false);
        // A server that stops waits for nobody who looks on.
        while (!gate.IsDraining)
        {
            Write(frames.Begin("figures"), context);
            await frames.SendAsync().ConfigureAwait(false);
            await Task.Delay(Interval, clock, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private void Write(Utf8JsonWriter json, HttpContext context)
    {
        json.WriteStartObject();
        json.WriteString("time", clock.GetUtcNow().UtcDateTime);
        json.WriteNumber("requests", gate.Count);
        json.WriteStartArray("models");
        foreach (var model in models.InMemory.Where(model => ServedModels.MayUse(context, model.Id)))
            FiguresWriter.Write(json, model);
        json.WriteEndArray();
        recent.Write(json);
        json.WritePropertyName("slots");
        slots.Write(json, AccessKey.Of(context));
        json.WriteEndObject();
    }
}
