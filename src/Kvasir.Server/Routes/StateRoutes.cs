using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary><c>/health</c> and <c>/ready</c>: whether the engine moves or rests, and whether it takes requests.</summary>
internal sealed class StateRoutes(ServedModels models, RequestGate gate)
{
    public Task HealthAsync(HttpContext context)
    {
        var state = models.Known.Any(static known => known.IsFailing || known.IsBroken) ? "failing"
            : models.InMemory.All(static model => model.Pulse.Beats) ? "ok"
            : "stuck";
        return SendAsync(context, state == "ok" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, state);
    }

    public Task ReadyAsync(HttpContext context)
    {
        var state = gate.IsDraining ? "draining" : models.Loaded.IsFaulted ? "failed"
            : models.Known.Any(static known => known is { IsNamed: true, IsWarming: true }) ? "warming"
            : models.Loaded.IsCompleted ? "ok" : "loading";
        var named = models.Known.FirstOrDefault(static known => known.IsNamed);
        var progress = state is "loading" or "warming" ? named?.Progress : null;
        return SendAsync(context, state == "ok" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, state, progress);
    }

    private static Task SendAsync(HttpContext context, int status, string state, double? progress = null)
    {
        context.Response.StatusCode = status;
        return WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", state);
            if (progress is { } share)
                json.WriteNumber("progress", Math.Round(share, 3));
            json.WriteEndObject();
        });
    }
}
