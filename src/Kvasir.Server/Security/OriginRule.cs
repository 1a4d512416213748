namespace Kvasir.Server.Security;

/// <summary>
/// Web pages that may use the server: <c>scheme://host</c>, <c>scheme://host:port</c>, or <c>scheme://host:*</c> for any port. There is no sign for all pages,
/// since any page that a user opens could then use a server on his machine.
/// </summary>
internal sealed class OriginRule
{
    private const string AnyPort = ":*";
    private readonly string[] _exact;
    private readonly string[] _anyPort;

    public OriginRule(IEnumerable<string> patterns)
    {
        var all = patterns.ToArray();
        _exact = [.. all.Where(static pattern => !pattern.EndsWith(AnyPort, StringComparison.Ordinal))];
        _anyPort = [.. all.Where(static pattern => pattern.EndsWith(AnyPort, StringComparison.Ordinal)).Select(static pattern => pattern[..^AnyPort.Length])];
    }

    /// <summary>What is wrong with a pattern; null where nothing is.</summary>
    public static string? Fault(string pattern)
    {
        var plain = pattern.EndsWith(AnyPort, StringComparison.Ordinal) ? pattern[..^AnyPort.Length] : pattern;
        var isOrigin = Uri.TryCreate(plain, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && !plain.Contains('*', StringComparison.Ordinal)
            && plain.Equals(uri.GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase);
        return isOrigin ? null : $"'{pattern}' is no origin; http://host, https://host:port and http://host:* are";
    }

    /// <param name="origin">As a browser sends it.</param>
    public bool Allows(string origin)
    {
        if (_exact.Contains(origin, StringComparer.OrdinalIgnoreCase) || _anyPort.Contains(origin, StringComparer.OrdinalIgnoreCase))
            return true;
        var colon = origin.LastIndexOf(':');
        return colon > 0 && origin.AsSpan(colon + 1) is { Length: > 0 and <= 5 } port && !port.ContainsAnyExceptInRange('0', '9')
            && _anyPort.Contains(origin[..colon], StringComparer.OrdinalIgnoreCase);
    }
}
