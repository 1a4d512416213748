using System.Text.Json;
using Kvasir.Cli.Serve;
using Microsoft.Extensions.Logging;

namespace Kvasir.Tools.Test.Cli.Serve;

/// <summary>The log to which answers refer that failed.</summary>
public sealed class ServeLogTest : IDisposable
{
    private readonly StringWriter _error = new();
    private readonly ServeLog _log;
    private readonly ILogger _source;

    public ServeLogTest()
    {
        _log = new ServeLog(_error, new HandTurnedClock());
        _source = _log.CreateLogger("Kvasir.Server.Answers.AnswerPath");
    }

    public void Dispose()
    {
        _log.Dispose();
        _error.Dispose();
    }

    [Fact]
    public void AFaultIsALineWithItsPlacesAndNoControlCharacters()
    {
        _log.Begin();
        var long300 = new string('x', 254) + "\U0001F600" + new string('y', 44);
        _source.Log(LogLevel.Error, 0, "state", Thrown(), (_, _) => $"id\n{{\"level\":\"forged\"}}\u001b[31m {long300}");
        var lines = _error.ToString().TrimEnd().Split('\n');
        using var line = JsonDocument.Parse(Assert.Single(lines));
        var root = line.RootElement;
        Assert.Equal(("error", "Kvasir.Server.Answers.AnswerPath"), (root.GetProperty("level").GetString(), root.GetProperty("source").GetString()));
        Assert.StartsWith("id\n{\"level\":\"forged\"}\u001b[31m xx", root.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.InRange(root.GetProperty("message").GetString()!.Length, 255, 256);
        Assert.DoesNotContain("\u001b", lines[0], StringComparison.Ordinal);
        Assert.Equal("InvalidOperationException: outer <- InvalidTimeZoneException: inner", root.GetProperty("problem").GetString());
        Assert.Contains(nameof(Thrown), root.GetProperty("stack").GetString(), StringComparison.Ordinal);
        Assert.True(root.TryGetProperty("time", out _));
    }

    [Theory]
    [InlineData(LogLevel.Information, true)]
    [InlineData(LogLevel.Warning, true)]
    [InlineData(LogLevel.Error, false)]
    public void WhatIsNoFaultIsLeftOutAndSoIsTheStart(LogLevel level, bool hasBegun)
    {
        if (hasBegun)
            _log.Begin();
        Assert.False(_source.IsEnabled(level));
        _source.Log(level, 0, "state", null, static (_, _) => "words");
        Assert.Equal("", _error.ToString());
        _log.Begin();
        _source.Log(LogLevel.Critical, 0, "state", null, static (_, _) => "words");
        Assert.Contains("\"level\":\"critical\"", _error.ToString(), StringComparison.Ordinal);
    }

    private static InvalidOperationException Thrown()
    {
        try
        {
            throw new InvalidTimeZoneException("inner");
        }
        catch (InvalidTimeZoneException inner)
        {
            return new InvalidOperationException("outer", inner);
        }
    }
}
