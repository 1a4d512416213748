using Kvasir.Server.OpenAi;

namespace Kvasir.Server.Routes;

/// <summary>Routes that are no dialect's.</summary>
internal sealed class OwnRoutes(StateRoutes state) : IDialectRoutes
{
    public void Map(RouteTable routes)
    {
        routes.Get(OpenAiErrors.Shape, StateRoutes.HealthAsync, "/health");
        routes.Get(OpenAiErrors.Shape, state.ReadyAsync, "/ready", "/v1/health");
    }
}
