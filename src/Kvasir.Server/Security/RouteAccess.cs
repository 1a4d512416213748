namespace Kvasir.Server.Security;

/// <summary>Who may use a route. It is a part of the route, so that no spelling of a path gets around it.</summary>
internal enum RouteAccess
{
    /// <summary>Whoever has a key, where the server has keys.</summary>
    Key,

    /// <summary>Everybody: it tells nothing and costs nothing.</summary>
    Open,
}
