namespace Kvasir.Server.Routes;

/// <summary>The routes of a dialect: a folder of its own, registered once beside the others.</summary>
internal interface IDialectRoutes
{
    void Map(RouteTable routes);
}
