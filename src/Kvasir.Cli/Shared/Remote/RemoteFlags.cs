using System.Diagnostics.CodeAnalysis;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Shared.Remote;

/// <summary>Which server.</summary>
internal static class RemoteFlags
{
    /// <summary>Where <c>kvasir serve</c> listens unless it is told otherwise.</summary>
    public const string Usual = "http://localhost:8080";

    private const string Allowed = $"the address of a server, as {Usual}";

    /// <summary>A server's address as an operand.</summary>
    public static readonly Operand Url = new(
        "URL", $"{char.ToUpperInvariant(Allowed[0])}{Allowed[1..]}; its key, if it wants one, is in {RemoteServer.KeyVariable}",
        FlagValues.Text with { Name = "URL", Allowed = Allowed, Parser = IsAddress });

    /// <summary>What <see cref="Server"/> means to verbs that look at a server.</summary>
    public const string Asked = $"A running server's address; its key is taken from {RemoteServer.KeyVariable}";

    /// <summary>A server that answers in place of a model of one's own.</summary>
    public static readonly ValueFlag<Uri> Server = new(
        "--server", $"Ask this server, as http://localhost:8080, and load no model; its key, if it wants one, is in {RemoteServer.KeyVariable}",
        new("URL", Allowed, TryParse));

    /// <summary>A model that is loaded here, or a server's.</summary>
    public static readonly Operand Model = ModelFlags.Model with
    {
        Help = $"{ModelFlags.Model.Help}; with {Server.Name} its name there, which may be left out",
        Unless = Server,
    };

    public static readonly FlagGroup Group = new("Server", Server);

    /// <summary>An address that <see cref="Url"/> has let pass.</summary>
    public static Uri Address(string text) =>
        TryParse(text, out var address) ? address : throw new ArgumentException($"'{text}' is not {Allowed}", nameof(text));

    private static bool IsAddress(string text, out string same)
    {
        same = text;
        return TryParse(text, out _);
    }

    // Whoever types no scheme means a server nearby. A path /v1 at the end is where other clients are pointed to.
    private static bool TryParse(string text, [MaybeNullWhen(false)] out Uri address)
    {
        var whole = text.Contains("://", StringComparison.Ordinal) ? text : $"http://{text}";
        if (!Uri.TryCreate(whole, UriKind.Absolute, out address) || address.Scheme is not ("http" or "https") || address.Host.Length == 0)
            return false;
        var path = address.AbsolutePath.TrimEnd('/');
        path = path.EndsWith("/v1", StringComparison.Ordinal) ? path[..^3] : path;
        address = new UriBuilder(address.Scheme, address.Host, address.Port, path).Uri;
        return true;
    }
}
