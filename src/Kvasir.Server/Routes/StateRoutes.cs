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
        var (state, loading) = State();
        context.Response.StatusCode = state == "ok" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", state);
            if (state is "loading" or "warming")
                json.WriteNumber("progress", Math.Round(models.StartProgress, 3));
            // Who has no key is told how many, and not for what.
            if (loading.Length > 0)
                json.WriteNumber("waiting", loading.Sum(static known => known.Users));
            json.WriteEndObject();
        });
    }

    private (string State, KnownModel[] Loading) State()
    {
        KnownModel[] loading = [.. models.Known.Where(static known => known.Status == ModelStatus.Loading)];
        var state = gate.IsDraining ? "draining" : models.Loaded.IsFaulted ? "failed"
            : models.Loaded.IsCompleted ? "ok"
            : Array.Exists(loading, static known => known is { IsNamed: true, IsWarming: true }) ? "warming" : "loading";
        return (state, loading);
    }

    private static Task SendAsync(HttpContext context, int status, string state)
    {
        context.Response.StatusCode = status;
        return WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", state);
            json.WriteEndObject();
        });
    }
}
