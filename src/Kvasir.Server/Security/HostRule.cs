using System.Net;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Security;

/// <summary>
/// Names by which the server may be asked. A web page can give its own name this machine's address (DNS rebinding), and browsers then take the server for the
/// page's; what it cannot change is the name in the request.
/// </summary>
internal sealed class HostRule(IReadOnlyCollection<string> allowed)
{
    /// <summary>Whether the request's host is a name of this server. Requests from other machines are not held to it unless names are given.</summary>
    public bool Allows(HttpContext context)
    {
        var name = context.Request.Host.Host;
        if (allowed.Contains(name, StringComparer.OrdinalIgnoreCase))
            return true;
        // No address: a Unix socket, which no page reaches.
        if (context.Connection.LocalIpAddress is not { } address)
            return true;
        return IPAddress.IsLoopback(Plain(address)) ? IsThisMachine(name) : allowed.Count == 0;
    }

    private static bool IsThisMachine(string name) =>
        name.Equals("localhost", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || name is "127.0.0.1" or "[::1]";

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
